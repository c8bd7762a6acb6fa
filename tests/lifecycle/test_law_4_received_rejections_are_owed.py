"""Law 4: whoever was given an object is owed the received rejection note that takes it out of use."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import delivery, peer, withdrawal
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.acts import LaterCopies
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.lifecycle.rejection import arriving
from kinote.lifecycle.rejection.proposals import accept
from kinote.lifecycle.rejection.rules import Effect
from kinote.lifecycle.withdrawals.withdrawal import undo
from tests.actors import ROE
from tests.lifecycle.rejected import (
    ARCHIVE,
    EXPIRED,
    QUALITY,
    RULES,
    STRANGER,
    image,
    later_copies,
    live,
    receive,
    rejection,
    with_title,
)
from tests.notes.sample_studies import IMAGE, IMAGE_2, NOW, later

NOTE = "1.2.1.80.1"
NODE, VIEWER = Receiver(0, "10.1.1.7"), Receiver(0, "10.1.1.8")


def give(catalog: Catalog, *uids: str, to: Receiver = NODE, state: State = State.GIVEN, at: int = 0) -> None:
    given = [Given(uid, to, state, "", "C-STORE", later(NOW, at)) for uid in uids]
    catalog.write(lambda transaction: record_given(transaction, given))


def owed(catalog: Catalog) -> set[tuple[str, str]]:
    with catalog.read() as connection:
        rows = connection.execute(select(delivery).where(delivery.c.state == "owed"))
        return {(row.sop_instance_uid, row.address) for row in rows}


def the_withdrawal(catalog: Catalog) -> int:
    with catalog.read() as connection:
        return int(connection.execute(select(withdrawal.c.id).where(withdrawal.c.received)).scalar_one())


def undoing(catalog: Catalog) -> None:
    key = the_withdrawal(catalog)
    catalog.write(lambda transaction: undo(transaction, key, by=ROE, now=later(NOW)))


@pytest.mark.parametrize("order", ["given first", "rejected first"])
@pytest.mark.parametrize("effect", [Effect.HIDDEN, Effect.MARKED])
def test_law_4_whoever_was_given_it_is_owed_the_note(catalog: Catalog, order: str, effect: Effect) -> None:
    rules = with_title(QUALITY, effect=effect)
    receive(catalog, image(IMAGE), image(IMAGE_2), rules=rules)
    steps: list[Any] = [
        lambda: give(catalog, IMAGE),
        lambda: receive(catalog, rejection(NOTE, IMAGE), rules=rules),
    ]
    for step in steps if order == "given first" else reversed(steps):
        step()
    give(catalog, IMAGE_2, to=VIEWER)
    assert owed(catalog) == {(NOTE, NODE.address)}


def test_what_was_not_taken_is_owed_to_nobody(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    give(catalog, IMAGE, state=State.FAILED)
    receive(catalog, rejection(NOTE, IMAGE))
    assert owed(catalog) == set()


def test_the_sender_of_the_note_is_owed_nothing(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    moment = NOW.isoformat()

    def known(transaction: Any) -> None:
        transaction.execute(
            peer.insert(),
            [
                {
                    "id": number,
                    "name": title,
                    "ae_titles": f'["{title}"]',
                    "added_at": moment,
                    "changed_at": moment,
                }
                for number, title in ((1, ARCHIVE.name), (2, "OTHER"))
            ],
        )

    catalog.write(known)
    for number in (1, 2):
        give(catalog, IMAGE, to=Receiver(number))
    receive(catalog, rejection(NOTE, IMAGE))
    with catalog.read() as connection:
        rows = connection.execute(select(delivery).where(delivery.c.state == "owed")).all()
    assert [(row.sop_instance_uid, row.peer) for row in rows] == [(NOTE, 2)]


def test_a_note_that_waits_for_a_person_is_owed_when_it_is_accepted(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    give(catalog, IMAGE)
    receive(catalog, rejection(NOTE, IMAGE), by=STRANGER)
    assert owed(catalog) == set()
    key = the_withdrawal(catalog)
    catalog.write(lambda transaction: accept(transaction, key, RULES, reason="Right", by=ROE, now=NOW))
    assert owed(catalog) == {(NOTE, NODE.address)}


def test_who_did_not_take_the_note_before_is_owed_it_all_the_same(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    receive(catalog, rejection(NOTE, IMAGE), by=STRANGER)
    give(catalog, NOTE, state=State.FAILED)
    give(catalog, NOTE, to=VIEWER)
    give(catalog, IMAGE, at=10)
    give(catalog, IMAGE, to=VIEWER, at=10)
    key = the_withdrawal(catalog)
    catalog.write(lambda transaction: accept(transaction, key, RULES, reason="Right", by=ROE, now=NOW))
    assert owed(catalog) == {(NOTE, NODE.address)}


def test_who_is_given_the_instance_afterwards_and_did_not_take_the_note_is_owed_it(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    receive(catalog, rejection(NOTE, IMAGE))
    give(catalog, NOTE, state=State.FAILED)
    give(catalog, IMAGE, at=10)
    assert owed(catalog) == {(NOTE, NODE.address)}


@pytest.mark.parametrize("is_told", [True, False])
def test_undoing_it_owes_the_instance_to_those_who_were_told(catalog: Catalog, is_told: bool) -> None:
    receive(catalog, image(IMAGE))
    give(catalog, IMAGE)
    receive(catalog, rejection(NOTE, IMAGE))
    if is_told:
        give(catalog, NOTE, at=10)
    undoing(catalog)
    assert IMAGE in live(catalog)
    assert owed(catalog) == ({(IMAGE, NODE.address)} if is_told else set())


def test_who_is_given_the_note_after_it_was_undone_is_owed_the_instance(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    give(catalog, IMAGE)
    receive(catalog, rejection(NOTE, IMAGE))
    undoing(catalog)
    give(catalog, NOTE, at=100)
    assert owed(catalog) == {(IMAGE, NODE.address)}


def test_a_later_copy_that_restores_it_takes_back_what_is_owed(catalog: Catalog) -> None:
    rules = later_copies(EXPIRED, LaterCopies.RESTORED)
    receive(catalog, image(IMAGE), rules=rules)
    give(catalog, IMAGE)
    receive(catalog, rejection(NOTE, IMAGE, title=EXPIRED), rules=rules)
    assert owed(catalog) == {(NOTE, NODE.address)}
    receive(catalog, image(IMAGE), rules=rules)
    assert IMAGE in live(catalog)
    assert owed(catalog) == set()


def test_breach_of_law_4_is_noticed(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A received rejection takes effect, and nobody is owed it."""
    monkeypatch.setattr(arriving, "owe_received_notes", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        test_law_4_whoever_was_given_it_is_owed_the_note(catalog, "given first", Effect.HIDDEN)
