"""What Kinote commits to, for whom, and what it remembers of that (PS3.4 Annex J, law 9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from kinote.backup.replaying import replay
from kinote.catalog.journal import Kind
from kinote.catalog.schema.tables import archive, commitment_given, instance, location
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.journal.comparing import compare
from kinote.holdings.journal.keeping import Journal, read_all
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.commitment import judging
from kinote.lifecycle.commitment.given import (
    KEPT,
    DuplicateTransactionError,
    Given,
    find_by_transaction,
    give,
    mark_failed,
    mark_told,
    page_of_given,
    senders_not_told,
    shown,
)
from kinote.lifecycle.commitment.judging import judge
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.security.actors import Actor
from kinote.storage.read_in_place import FIRST_IN_PLACE
from tests.actors import ROE
from tests.clock import clock
from tests.lifecycle.rejected import ARCHIVE, STRANGER, image, receive
from tests.notes.sample_studies import IMAGE, IMAGE_2, NOW, later
from tests.notes.test_held_copies import OTHER
from tests.peers.wanted import added
from tests.peers.wanted import archive as archive_peer

CT = "1.2.840.10008.5.1.4.1.1.2"


def judged(catalog: Catalog, *references: tuple[str, str], by: Actor = ARCHIVE) -> list[int | None]:
    with catalog.read() as connection:
        found = judge(connection, references, by, NOW)
    return [found[each] for each in references]


def class_of(catalog: Catalog, uid: str) -> str:
    with catalog.read() as connection:
        query = select(instance.c.sop_class_uid).where(instance.c.sop_instance_uid == uid)
        return str(connection.execute(query.limit(1)).scalar_one())


def key_of(catalog: Catalog, uid: str) -> int:
    with catalog.read() as connection:
        query = select(instance.c.id).where(instance.c.sop_instance_uid == uid, instance.c.is_current)
        return int(connection.execute(query).scalar_one())


def test_what_is_durable_and_live_is_committed_to(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    sop_class = class_of(catalog, IMAGE)
    wanted = [(sop_class, IMAGE), (sop_class, "1.2.3.9"), ("1.2.840.10008.5.1.4.1.1.4", IMAGE)]
    assert judged(catalog, *wanted) == [None, 0x0112, 0x0119]
    # Whoever it came from: the object is the same.
    assert judged(catalog, *wanted, by=STRANGER) == [None, 0x0112, 0x0119]


@pytest.mark.parametrize(
    ("residence", "reason"), [("derivable", None), ("damaged", 0x0110), ("none", 0x0110), ("remote", 0x0110)]
)
def test_where_the_bytes_are_decides(catalog: Catalog, residence: str, reason: int | None) -> None:
    receive(catalog, image(IMAGE))
    catalog.write(lambda transaction: transaction.execute(instance.update().values(residence=residence)))
    assert judged(catalog, (class_of(catalog, IMAGE), IMAGE)) == [reason]


def test_law_6_what_lies_in_a_folder_of_another_system_is_not_committed_to(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    in_place = instance.update().values(store=FIRST_IN_PLACE + 1)
    catalog.write(lambda transaction: transaction.execute(in_place))
    assert judged(catalog, (class_of(catalog, IMAGE), IMAGE)) == [0x0110]


def test_what_is_withdrawn_is_not_committed_to(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    catalog.write(lambda tx: withdraw(tx, [IMAGE], act=QUALITY, text="blurred", by=ROE, now=NOW))
    assert judged(catalog, (class_of(catalog, IMAGE), IMAGE)) == [0x0112]


def test_law_9_a_sender_whose_last_copy_is_held_keeps_it(catalog: Catalog) -> None:
    """Its copy is not the one that is live: a success would have it remove the only other one."""
    receive(catalog, image(IMAGE), by=STRANGER)
    receive(catalog, image(IMAGE, **OTHER), by=ARCHIVE, now=later(NOW, 1))
    wanted = (class_of(catalog, IMAGE), IMAGE)
    assert judged(catalog, wanted, by=ARCHIVE) == [0x0110]
    assert judged(catalog, wanted, by=STRANGER) == [None]


def test_law_9_the_last_copy_of_a_sender_decides(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), by=ARCHIVE)
    wanted = (class_of(catalog, IMAGE), IMAGE)
    assert judged(catalog, wanted) == [None]
    receive(catalog, image(IMAGE, **OTHER), by=ARCHIVE, now=later(NOW, 1))
    assert judged(catalog, wanted) == [0x0110]


def test_breach_of_law_9_held_copies_that_are_not_looked_at_are_noticed(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_note", lambda *_: None)
    with pytest.raises(AssertionError):
        test_law_9_a_sender_whose_last_copy_is_held_keeps_it(catalog)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"suspended_at": "2026"}, 0x0110),
        ({"proof": ""}, 0x0110),
        ({"proof": "refused"}, 0x0110),
        ({"ended_at": "2026"}, 0x0110),
        ({"at": timestamp(NOW - timedelta(days=181))}, 0x0110),
        ({"evidence": "acknowledged"}, 0x0110),
        ({"digest": "another"}, 0x0110),
    ],
    ids=["it counts", "suspended", "unproved", "refused", "ended", "old", "acknowledged only", "other bytes"],
)
def test_law_9_what_an_archive_keeps_is_committed_to_while_its_word_counts(
    catalog: Catalog, changes: dict[str, str], reason: int | None
) -> None:
    receive(catalog, image(IMAGE))
    peer = added(catalog, archive_peer())
    state = {"policy": "{}", "added_at": timestamp(NOW), "proof": "proved"}
    evidence = {"evidence": "committed", "at": timestamp(NOW - timedelta(days=179))}

    def evict(transaction: Connection) -> None:
        row = transaction.execute(select(instance.c.id, instance.c.digest)).one()
        transaction.execute(instance.update().values(residence="remote"))
        said = {**evidence, "digest": row.digest}
        said |= {name: value for name, value in changes.items() if name in said}
        transaction.execute(location.insert().values(instance=row.id, archive=peer.id, **said))
        about = {**state, **{name: value for name, value in changes.items() if name not in said}}
        transaction.execute(archive.insert().values(peer=peer.id, **about))

    catalog.write(evict)
    assert judged(catalog, (class_of(catalog, IMAGE), IMAGE)) == [reason]


# --- what is remembered ---------------------------------------------------------------------------


def gave(catalog: Catalog, transaction_uid: str, *uids: str, by: Actor = ARCHIVE, seconds: int = 0) -> Given:
    with catalog.read() as connection:
        found = judge(connection, [(CT, uid) for uid in uids], by, NOW)
    return catalog.write(
        lambda tx: give(
            tx, transaction_uid, found, by=by, way="dimse", called_title="KINOTE", now=later(NOW, seconds)
        )
    )


def test_a_request_gets_its_result_once(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE))
    first = gave(catalog, "2.25.1", IMAGE, "1.2.3.9")
    assert first.result.committed == ((CT, IMAGE),)
    assert first.result.failed == ((CT, "1.2.3.9", 0x0112),)
    # What has come meanwhile does not change a result.
    receive(catalog, image("1.2.3.9"))
    catalog.write(lambda tx: mark_told(tx, first.id, NOW))
    again = gave(catalog, "2.25.1", "1.2.3.9", IMAGE)
    assert (again.id, again.result, again.is_repeated) == (first.id, first.result, True)
    with catalog.read() as connection:
        (row,) = page_of_given(connection)
        assert (row["state"], row["committed_count"], row["failed_count"]) == ("owed", 1, 1)
        said = shown(connection, first.id)
        assert said is not None
        assert said["failed"] == [{"sop_class_uid": CT, "sop_instance_uid": "1.2.3.9", "reason": "0112"}]


def test_a_transaction_uid_is_used_once_by_each_sender(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), image(IMAGE_2))
    gave(catalog, "2.25.1", IMAGE)
    with pytest.raises(DuplicateTransactionError):
        gave(catalog, "2.25.1", IMAGE_2)
    assert not gave(catalog, "2.25.1", IMAGE_2, by=STRANGER).is_repeated
    with catalog.read() as connection:
        found = find_by_transaction(connection, "2.25.1", ARCHIVE, "dimse")
        assert found is not None
        assert found.result.committed == ((CT, IMAGE),)
        assert find_by_transaction(connection, "2.25.1", ARCHIVE, "dicomweb") is None
        assert [each["sender"] for each in page_of_given(connection, sender="STRANGER")] == ["STRANGER"]


def test_senders_that_could_not_be_told_are_known(catalog: Catalog) -> None:
    keys = [gave(catalog, f"2.25.{number}", "1.2.3").id for number in range(3)]
    with catalog.read() as connection:
        assert senders_not_told(connection, 5) == []
    catalog.write(lambda tx: mark_failed(tx, keys[0], "It does not answer."))
    catalog.write(lambda tx: mark_failed(tx, keys[1], "It refuses.", for_good=True))
    with catalog.read() as connection:
        assert senders_not_told(connection, 5) == [("ARCHIVE", 2, "It refuses.")]
    for key in keys:
        catalog.write(lambda tx, key=key: mark_told(tx, key, NOW))  # type: ignore[misc]
    with catalog.read() as connection:
        assert senders_not_told(connection, 5) == []


def test_old_results_that_were_told_are_removed(catalog: Catalog) -> None:
    told, owed = gave(catalog, "2.25.1", "1.2.3"), gave(catalog, "2.25.2", "1.2.3")
    catalog.write(lambda tx: mark_told(tx, told.id, NOW))
    gave(catalog, "2.25.3", "1.2.3", seconds=int(KEPT.total_seconds()) + 1)
    with catalog.read() as connection:
        keys = list(connection.execute(select(commitment_given.c.id)).scalars())
    assert told.id not in keys
    assert owed.id in keys


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Catalog, Catalog]]:
    """An index, and an older copy of it, with the same journal."""
    with ExitStack() as closing:
        made = []
        for name in ("index", "backup"):
            writer = Journal(tmp_path / "journal", clock, lambda: "here")
            closing.callback(writer.close)
            catalog = Catalog(CatalogOptions(f"sqlite:///{tmp_path / name}.db"), journal_writer=writer)
            closing.callback(catalog.close)
            receive(catalog, image(IMAGE))
            made.append(catalog)
        yield made[0], made[1]


def test_law_9_a_restore_tells_of_what_was_committed_to_and_is_not_there(
    two: tuple[Catalog, Catalog], tmp_path: Path
) -> None:
    """Its sender may have removed the only other copy since."""
    index, backup = two
    receive(index, image(IMAGE_2))
    gave(index, "2.25.1", IMAGE, IMAGE_2)
    replayed = replay(backup, read_all(tmp_path / "journal").entries, NOW)
    (left,) = replayed.left
    assert (left["kind"], left["instances"]) == (Kind.COMMITTED, [IMAGE_2])
    assert "ARCHIVE" in left["why"]
    assert compare(backup, tmp_path / "journal") == []
