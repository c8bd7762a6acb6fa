"""What happens to an arrival whose UID means an instance already, by the standing of that one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.queries.matching import Query, search
from kinote.catalog.queries.matching_keys import Level
from kinote.catalog.schema.tables import instance, instance_metadata, withdrawal_target
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.intake import filing
from kinote.intake.outcome import Outcome
from kinote.intake.receiver import Receiver
from kinote.lifecycle import acts, counts, held
from kinote.lifecycle.explaining import explain
from kinote.lifecycle.explaining.account import account
from kinote.lifecycle.withdrawals import withdrawal
from kinote.storage.local import local_stores
from tests.actors import ORIGIN, ROE
from tests.clock import clock
from tests.intake.objects import image

NOW = datetime.now(UTC)
UID = "1.2.3.4.1"
FIRST, OTHER, THIRD = image(), image(PatientComments="another"), image(PatientComments="a third")


@pytest.fixture
def receiver(catalog: Catalog, tmp_path: Path) -> Iterator[Receiver]:
    stores = local_stores(tmp_path / "data")
    door = Door(catalog, stores, clock=clock)
    receiver = Receiver(catalog, stores, clock=clock, open_copy=door.open_copy)
    yield receiver
    receiver.close()


def receive(receiver: Receiver, data: bytes) -> Outcome:
    upload = receiver.open(ORIGIN)
    upload.write(data)
    return upload.finish().result(30)


def withdraw(transaction: Connection, copies: dict[str, int] | None = None) -> int:
    return withdrawal.withdraw(
        transaction, [UID], act=acts.OTHER_COPY_CHOSEN, text="", by=ROE, now=NOW, copies=copies
    )


def purge(transaction: Connection) -> None:
    """A tombstone of which no withdrawal is known: a row that keeps its UID, without bytes."""
    withdraw(transaction)
    transaction.execute(withdrawal_target.delete())
    transaction.execute(instance_metadata.delete())
    transaction.execute(
        instance.update()
        .where(instance.c.is_current)
        .values(standing="purged", residence="none", file_key=None)
    )


def become(catalog: Catalog, standing: str) -> None:
    if standing == "withdrawn":
        catalog.write(withdraw)
    elif standing == "purged":
        catalog.write(purge)


def rows(catalog: Catalog) -> list[tuple[str, bool]]:
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        query = select(instance.c.standing, instance.c.is_current).order_by(instance.c.id)
        return [(row.standing, row.is_current) for row in connection.execute(query)]


@pytest.mark.parametrize(
    ("standing", "arriving", "becomes", "reason"),
    [
        ("live", FIRST, "known", "The same data set is stored already."),
        (
            "live",
            OTHER,
            "held",
            "An instance with this SOP Instance UID is live with other content: PatientComm",
        ),
        ("withdrawn", FIRST, "known", "The same data set is stored already."),
        (
            "withdrawn",
            OTHER,
            "held",
            "An instance with this SOP Instance UID is withdrawn with other content: PatientComm",
        ),
        ("purged", FIRST, "held", "The instance with this SOP Instance UID was purged, and its UID does not"),
        ("purged", OTHER, "held", "The instance with this SOP Instance UID was purged, and its UID does not"),
    ],
)
def test_what_happens_to_an_arrival_beside_another(
    catalog: Catalog, receiver: Receiver, standing: str, arriving: bytes, becomes: str, reason: str
) -> None:
    receive(receiver, FIRST)
    become(catalog, standing)
    outcome = receive(receiver, arriving)
    assert outcome.kind == becomes
    assert outcome.reason.startswith(reason)
    assert rows(catalog) == [(standing, True)] + [("held", False)] * (becomes == "held")


@pytest.mark.parametrize("standing", ["live", "withdrawn", "purged"])
def test_a_copy_that_is_held_is_known(catalog: Catalog, receiver: Receiver, standing: str) -> None:
    receive(receiver, FIRST)
    become(catalog, standing)
    assert [receive(receiver, each).kind for each in (OTHER, OTHER, THIRD, THIRD)] == [
        "held",
        "known",
        "held",
        "known",
    ]


def test_law_8_only_a_current_tombstone_and_held_copies_bear_on_an_arrival(
    catalog: Catalog, receiver: Receiver
) -> None:
    """A tombstone that was replaced is history. A copy that gave way to the current one by a decision stays known."""
    receive(receiver, FIRST)
    receive(receiver, OTHER)

    def beside(standing: str) -> None:
        copies = instance.update().where(~instance.c.is_current)
        catalog.write(lambda transaction: transaction.execute(copies.values(standing=standing)))

    beside("withdrawn")
    assert receive(receiver, OTHER).kind == "known"
    beside("purged")
    assert receive(receiver, OTHER).kind == "held"
    assert rows(catalog) == [("live", True), ("purged", False), ("held", False)]


def test_law_8_a_derivable_instance_has_its_uid_before_it_has_a_digest(
    catalog: Catalog, receiver: Receiver
) -> None:
    """Until its bytes are made nobody can say whether others are the same: they are held."""
    receive(receiver, FIRST)
    nothing_yet = {"residence": "derivable", "digest": None, "size": None, "file_key": None}
    catalog.write(lambda transaction: transaction.execute(instance.update().values(**nothing_yet)))
    assert receive(receiver, FIRST).kind == "held"
    with catalog.read() as connection:
        current, _ = explain.explain(connection, UID)
        counted = account(connection, "1.2.3")
        found = list(search(connection, Query(Level.INSTANCE)))
    assert (current.visible, current.residence) == (True, "derivable")
    assert counted is not None
    assert counted.counts_agree
    assert len(found) == 1


def test_every_standing_has_its_line() -> None:
    assert {*filing._BESIDE, "held"} == set(explain._BECAUSE)


def test_a_withdrawal_of_one_copy_says_nothing_of_another(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, FIRST)
    receive(receiver, OTHER)
    with catalog.read() as connection:
        (copy,) = held.held(connection)
    key = catalog.write(lambda transaction: withdraw(transaction, {UID: copy.id}))
    assert rows(catalog) == [("live", True), ("held", False)]
    with catalog.read() as connection:
        current, other = explain.explain(connection, UID)
    assert (current.visible, len(current.withdrawals)) == (True, 0)
    assert (other.visible, len(other.withdrawals)) == (False, 1)
    catalog.write(lambda transaction: held.discard(transaction, copy.id, now=NOW, by=ROE))
    # The withdrawal stays as it was made, though what it names is gone.
    catalog.write(lambda transaction: withdrawal.undo(transaction, key, by=ROE, now=NOW))


def test_a_withdrawal_of_the_current_copy_withdraws_it(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, FIRST)
    with catalog.read() as connection:
        key = connection.execute(select(instance.c.id)).scalar_one()
    made = catalog.write(lambda transaction: withdraw(transaction, {UID: key}))
    assert rows(catalog) == [("withdrawn", True)]
    catalog.write(lambda transaction: withdrawal.undo(transaction, made, by=ROE, now=NOW))
    assert rows(catalog) == [("live", True)]


def test_a_withdrawal_of_one_copy_is_not_one_of_what_comes_later(
    catalog: Catalog, receiver: Receiver
) -> None:
    catalog.write(lambda transaction: withdraw(transaction, {UID: 4711}))
    assert receive(receiver, FIRST).kind == "stored"
    assert rows(catalog) == [("live", True)]
