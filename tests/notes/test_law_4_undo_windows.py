"""Law 4: nobody learns of a withdrawal before its undo window has closed, and then everybody who has to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import delivery, rejection_note, withdrawal
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.keyobject import writer
from kinote.lifecycle import acts, counts
from kinote.lifecycle.acts import Act
from kinote.lifecycle.owed import recording
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.lifecycle.withdrawals.lists import owed_by
from kinote.lifecycle.withdrawals.withdrawal import NotUndoableError, WithdrawalNotFoundError
from kinote.notes.acts import rejection, undo_windows
from kinote.notes.acts.rejection import reject
from kinote.notes.acts.revise import revise
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.acts.undo_windows import UndoWindows, close_window
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.creator.create import document_of
from kinote.notes.lists.queries import notes_of_study, versions
from tests.actors import ROE
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    SECOND,
    SECOND_IMAGE,
    dataset_of,
    fill,
    later,
    made,
    read,
    request,
)
from tests.notes.statements import each_statement
from tests.notes.test_law_4_withdrawal import InjectedError, everything

WINDOW = timedelta(minutes=10)

#: Known systems.
PACS, VIEWER, READER = Receiver(1), Receiver(2), Receiver(address="READER@10.0.0.9:104")

#: What a withdrawal that was undone leaves behind: the record of both.
RECORD = ("withdrawal", "withdrawal_target", "change", "journal_entry")


def rejected(catalog: Catalog, *uids: str, act: Act = acts.QUALITY, window: timedelta = WINDOW) -> int:
    return catalog.write(
        lambda tx: reject(tx, uids, act=act, text="blurred", by=ROE, now=NOW, undo_window=window)
    )


def closed(catalog: Catalog, key: int) -> bool:
    return catalog.write(lambda tx: close_window(tx, key, now=later(NOW)))


def undone(catalog: Catalog, key: int) -> None:
    catalog.write(lambda tx: undo_withdrawal(tx, key, by=ROE, now=later(NOW)))


def given(catalog: Catalog, *uids: str, to: Receiver = PACS, state: State = State.GIVEN) -> None:
    catalog.write(
        lambda tx: record_given(tx, [Given(uid, to, state, "0000H", "C-MOVE", NOW) for uid in uids])
    )


def live(catalog: Catalog) -> set[str]:
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        return set(connection.execute(select(live_instance.c.sop_instance_uid)).scalars())


def prepared(catalog: Catalog, key: int) -> dict[str, str]:
    """The rejection notes of a withdrawal by study, live or not."""
    with catalog.read() as connection:
        query = select(rejection_note.c.study_instance_uid, rejection_note.c.sop_instance_uid)
        rows = connection.execute(query.where(rejection_note.c.withdrawal == key)).all()
    return {row.study_instance_uid: row.sop_instance_uid for row in rows}


def stood(catalog: Catalog, uids: Iterable[str]) -> dict[tuple[str, Receiver], str]:
    with catalog.read() as connection:
        rows = connection.execute(select(delivery).where(delivery.c.sop_instance_uid.in_(list(uids)))).all()
    return {(row.sop_instance_uid, Receiver(row.peer, row.address)): row.state for row in rows}


def changed(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> set[str]:
    """The tables that are not as they were; those of the database's own transactions are none of ours."""
    return {name for name in after if after[name] != before[name]} - {"commit_mark"}


def hold_nothing_is_seen_of_the_note(catalog: Catalog) -> None:
    """While the window is open the instances are gone, and nothing else is another than before."""
    before = everything(catalog)
    was_live = live(catalog)
    key = rejected(catalog, IMAGE, SECOND_IMAGE, "1.2.1.1.99")
    after = everything(catalog)
    assert live(catalog) == was_live - {IMAGE, SECOND_IMAGE}
    notes = prepared(catalog, key)
    assert set(notes) == {FIRST, SECOND}
    assert changed(before, after) == {*RECORD, "instance", "study", "series", "rejection_note", "delivery"}
    with catalog.read() as connection:
        for study in (FIRST, SECOND):
            assert notes_of_study(connection, study, everything=True) == []
        feed = [each.change.kind for each in changes.since(connection, changes.BEGINNING, 100)]
        assert "rejection note made" not in feed
        shown = [owed_by(connection, key)]
    for uid in notes.values():
        seen = [name for name, rows in after.items() if uid in str(rows)]
        assert set(seen) <= {"rejection_note", "delivery"}, "the UID of the note is to be seen"
        assert uid not in str(shown)
    undone(catalog, key)
    assert changed(before, everything(catalog)) == set(RECORD)


def test_law_4_nothing_is_seen_of_a_note_before_its_time(filled: Catalog) -> None:
    given(filled, IMAGE, IMAGE_2, SECOND_IMAGE)
    hold_nothing_is_seen_of_the_note(filled)


def test_breach_of_law_4_a_note_that_is_live_at_once_is_noticed(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Act, "window", lambda *_: timedelta(0))
    with pytest.raises(AssertionError):
        hold_nothing_is_seen_of_the_note(filled)


def test_breach_of_law_4_a_note_that_outlives_its_undoing_is_noticed(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.lifecycle.withdrawals.withdrawal.forget_rejection_notes", lambda *_: None)
    with pytest.raises(AssertionError):
        hold_nothing_is_seen_of_the_note(filled)


def test_law_4_the_note_is_what_was_written_with_the_withdrawal(filled: Catalog) -> None:
    """Content, UIDs, times and bytes are those of then, though it becomes live later; and once only (law 11)."""
    key = rejected(filled, IMAGE, IMAGE_2, SECOND_IMAGE)
    with filled.read() as connection:
        rows = connection.execute(select(rejection_note).order_by(rejection_note.c.id)).all()
    assert closed(filled, key)
    assert not closed(filled, key)
    assert {row.sop_instance_uid for row in rows} < live(filled)
    for row in rows:
        with filled.read() as connection:
            assert dataset_of(connection, row.sop_instance_uid) == row.dataset
            assert writer.encode(document_of(connection, row.sop_instance_uid)) == row.dataset
            (note,) = notes_of_study(connection, row.study_instance_uid, everything=True)
        assert (note.title_group, note.created) == ("rejection", "2026-11-24T05:31:00.250000+00:00")
        assert note.description == "Its quality is not good enough. Rejected for Quality Reasons: blurred"
        ought = {IMAGE, IMAGE_2} if row.study_instance_uid == FIRST else {SECOND_IMAGE}
        assert {each.sop_instance_uid for each in note.references} == ought
    with filled.read() as connection:
        kept = connection.execute(select(rejection_note.c.dataset, rejection_note.c.prepared)).all()
        told = connection.execute(select(withdrawal.c.rejection_note_uid)).scalar_one()
    assert [tuple(row) for row in kept] == [(None, None), (None, None)]
    assert told == prepared(filled, key)[FIRST]


def test_law_4_a_window_closes_in_one_transaction(filled: Catalog) -> None:
    """A failure at any statement leaves everything as it was, and the next look closes it."""
    given(filled, IMAGE)
    key = rejected(filled, IMAGE, SECOND_IMAGE)
    before = everything(filled)
    left = [0]

    def fail(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise InjectedError

    for step in range(1, 1000):
        left[0] = step
        try:
            with each_statement(filled, fail):
                assert closed(filled, key)
        except InjectedError:
            assert everything(filled) == before
        else:
            assert step > 10
            break
    assert set(prepared(filled, key).values()) < live(filled)


def test_what_has_no_window_is_told_at_once(filled: Catalog) -> None:
    key = rejected(filled, IMAGE, act=acts.SAFETY)
    assert set(prepared(filled, key).values()) < live(filled)
    with pytest.raises(NotUndoableError, match="must never accept"):
        undone(filled, key)


@pytest.mark.parametrize("act", [acts.WRONG_PATIENT, acts.WRONG_ORDER], ids=str)
def test_what_receivers_must_not_accept_again_is_undone_in_its_window_only(filled: Catalog, act: Act) -> None:
    first, second = rejected(filled, IMAGE, act=act), rejected(filled, IMAGE_2, act=act)
    assert closed(filled, second)
    undone(filled, first)
    with pytest.raises(NotUndoableError, match="under new UIDs"):
        undone(filled, second)
    assert IMAGE in live(filled)
    assert IMAGE_2 not in live(filled)


def test_a_window_does_not_close_for_what_is_undone(filled: Catalog) -> None:
    key = rejected(filled, IMAGE)
    undone(filled, key)
    assert not closed(filled, key)
    with pytest.raises(WithdrawalNotFoundError):
        undone(filled, key)


# --- what is owed to others ---


def hold_everybody_is_told(catalog: Catalog) -> None:
    """Who was given an instance is owed the note of its study, whichever was written first."""
    given(catalog, IMAGE, IMAGE_2)
    given(catalog, SECOND_IMAGE, to=READER)
    given(catalog, IMAGE_2, to=VIEWER, state=State.UNKNOWN)
    given(catalog, IMAGE, to=READER, state=State.FAILED)
    key = rejected(catalog, IMAGE, IMAGE_2, SECOND_IMAGE)
    notes = prepared(catalog, key)
    first, second = notes[FIRST], notes[SECOND]
    ought = {(first, PACS): "owed", (first, VIEWER): "owed", (second, READER): "owed"}
    assert stood(catalog, notes.values()) == ought
    # It was handed out before, and is written down only now.
    given(catalog, SECOND_IMAGE, IMAGE_3, to=VIEWER)
    assert stood(catalog, notes.values()) == {**ought, (second, VIEWER): "owed"}
    assert closed(catalog, key)
    assert stood(catalog, notes.values()) == {**ought, (second, VIEWER): "owed"}
    given(catalog, first, to=VIEWER)
    assert stood(catalog, [first]) == {(first, PACS): "owed", (first, VIEWER): "given"}


def test_law_4_everybody_who_received_an_object_is_told(filled: Catalog) -> None:
    hold_everybody_is_told(filled)


@pytest.mark.parametrize("left_out", ["at the withdrawal", "at what is written later"])
def test_breach_of_law_4_somebody_who_is_not_told_is_noticed(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    if left_out == "at the withdrawal":
        monkeypatch.setattr(rejection, "owe_rejection_notes", lambda *_, **__: None)
    else:
        monkeypatch.setattr(recording, "_notes_naming", lambda *_: ())
    with pytest.raises(AssertionError):
        hold_everybody_is_told(filled)


def test_undone_in_its_window_nobody_is_owed_anything(filled: Catalog) -> None:
    given(filled, IMAGE)
    key = rejected(filled, IMAGE)
    undone(filled, key)
    given(filled, IMAGE, to=VIEWER)
    assert stood(filled, [IMAGE]) == {(IMAGE, PACS): "given", (IMAGE, VIEWER): "given"}
    with filled.read() as connection:
        assert connection.execute(select(delivery.c.state).where(delivery.c.state == "owed")).all() == []


def test_undone_later_the_instances_are_owed_to_those_who_were_told(filled: Catalog) -> None:
    for receiver in (PACS, VIEWER, READER):
        given(filled, IMAGE, IMAGE_2, to=receiver)
    key = rejected(filled, IMAGE, IMAGE_2)
    assert closed(filled, key)
    (note,) = prepared(filled, key).values()
    given(filled, note, to=PACS)
    other = rejected(filled, IMAGE_2)
    undone(filled, key)
    assert note not in live(filled), "who retrieves the study would hide what is live"
    assert IMAGE in live(filled)
    assert stood(filled, [note]) == {(note, PACS): "given"}
    ought = {(IMAGE, PACS): "owed", (IMAGE, VIEWER): "given", (IMAGE, READER): "given"}
    assert stood(filled, [IMAGE]) == ought
    assert set(stood(filled, [IMAGE_2]).values()) == {"given"}, "another withdrawal names it"
    # It had pulled the note, and that is written down only now.
    given(filled, note, to=VIEWER)
    assert stood(filled, [IMAGE]) == {**ought, (IMAGE, VIEWER): "owed"}
    given(filled, IMAGE, to=PACS)
    assert stood(filled, [IMAGE])[IMAGE, PACS] == "given"
    undone(filled, other)
    with filled.read() as connection:
        listed = {(each.what, each.state, each.address) for each in owed_by(connection, key)}
    assert ("instance", "owed", "") in listed


@pytest.mark.parametrize("told_first", [True, False], ids=["told by the first", "told by the second"])
def test_of_two_withdrawals_whoever_was_told_of_one_is_owed_what_both_named(
    filled: Catalog, told_first: bool
) -> None:
    given(filled, IMAGE)
    given(filled, IMAGE, to=VIEWER)
    first, second = rejected(filled, IMAGE), rejected(filled, IMAGE)
    assert closed(filled, first)
    assert closed(filled, second)
    (note,) = prepared(filled, first if told_first else second).values()
    given(filled, note)
    undone(filled, first)
    assert IMAGE not in live(filled)
    undone(filled, second)
    assert stood(filled, [IMAGE]) == {(IMAGE, PACS): "owed", (IMAGE, VIEWER): "given"}


def test_a_note_that_was_sent_without_an_answer_is_not_owed_once_it_is_undone(filled: Catalog) -> None:
    given(filled, IMAGE)
    key = rejected(filled, IMAGE)
    assert closed(filled, key)
    (note,) = prepared(filled, key).values()
    given(filled, note, state=State.UNKNOWN)
    assert stood(filled, [note]) == {(note, PACS): "owed"}
    undone(filled, key)
    assert stood(filled, [note]) == {(note, PACS): "unknown"}
    assert stood(filled, [IMAGE]) == {(IMAGE, PACS): "owed"}, "it may have been told"


def test_an_answer_that_is_lost_takes_nothing_back(filled: Catalog) -> None:
    given(filled, IMAGE)
    given(filled, IMAGE, state=State.UNKNOWN)
    given(filled, IMAGE, state=State.FAILED)
    assert stood(filled, [IMAGE]) == {(IMAGE, PACS): "given"}
    key = rejected(filled, IMAGE)
    (note,) = prepared(filled, key).values()
    given(filled, note, state=State.UNKNOWN)
    assert stood(filled, [note]) == {(note, PACS): "owed"}


LIMIT = 60

_WAITING = text(
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


Work = Callable[[Connection], Any]


def at_once(catalog: Catalog, first: Work, second: Work) -> list[Any]:
    """Let one begin, and the other wait for it until it has committed; gives what became of both."""
    is_done, may_commit = threading.Event(), threading.Event()

    def slowly(transaction: Connection) -> Any:
        result = first(transaction)
        is_done.set()
        assert may_commit.wait(LIMIT)
        return result

    one = catalog.submit(slowly)
    assert is_done.wait(LIMIT)
    other = catalog.submit(second)
    deadline = time.monotonic() + LIMIT
    with catalog.read() as connection:
        while connection.execute(_WAITING).first() is None:
            assert time.monotonic() < deadline
            connection.rollback()
            time.sleep(0.01)
    may_commit.set()
    return [one.result(LIMIT), other.result(LIMIT)]


@pytest.mark.parametrize("first", ["withdrawn", "given"])
def test_law_4_of_giving_and_withdrawing_at_once_one_sees_the_other(postgresql_url: str, first: str) -> None:
    catalog = Catalog(CatalogOptions(postgresql_url))
    fill(catalog)
    works: dict[str, Work] = {
        "withdrawn": lambda tx: reject(
            tx, [IMAGE], act=acts.QUALITY, text="", by=ROE, now=NOW, undo_window=WINDOW
        ),
        "given": lambda tx: record_given(tx, [Given(IMAGE, PACS, State.GIVEN, "", "C-GET", NOW)]),
    }
    (second,) = works.keys() - {first}
    at_once(catalog, works[first], works[second])
    (note,) = prepared(catalog, 1).values()
    assert stood(catalog, [note]) == {(note, PACS): "owed"}
    catalog.close()


@pytest.mark.parametrize("first", ["undone", "given"])
def test_law_4_what_is_given_while_it_is_undone_leaves_nothing_owed(postgresql_url: str, first: str) -> None:
    catalog = Catalog(CatalogOptions(postgresql_url))
    fill(catalog)
    key = rejected(catalog, IMAGE)
    (note,) = prepared(catalog, key).values()
    works: dict[str, Work] = {
        "undone": lambda tx: undo_withdrawal(tx, key, by=ROE, now=later(NOW)),
        "given": lambda tx: record_given(tx, [Given(IMAGE, PACS, State.GIVEN, "", "C-GET", NOW)]),
    }
    (second,) = works.keys() - {first}
    at_once(catalog, works[first], works[second])
    assert (IMAGE in live(catalog), stood(catalog, [note])) == (True, {})
    catalog.close()


def test_law_4_of_two_servers_one_closes_a_window(postgresql_url: str) -> None:
    catalog = Catalog(CatalogOptions(postgresql_url))
    fill(catalog)
    key = rejected(catalog, IMAGE)

    def closing(transaction: Connection) -> bool:
        return close_window(transaction, key, now=later(NOW))

    assert at_once(catalog, closing, closing) == [True, False]
    assert set(prepared(catalog, key).values()) < live(catalog)
    catalog.close()


@pytest.mark.parametrize("is_undone_first", [True, False], ids=["undone first", "closed first"])
def test_law_4_a_window_that_closes_while_it_is_undone(postgresql_url: str, is_undone_first: bool) -> None:
    """Whichever comes first, the instances are live and no rejection note is."""
    catalog = Catalog(CatalogOptions(postgresql_url))
    fill(catalog)
    before = live(catalog)
    key = rejected(catalog, IMAGE)
    works: list[Work] = [
        lambda tx: undo_withdrawal(tx, key, by=ROE, now=later(NOW)),
        lambda tx: close_window(tx, key, now=later(NOW)),
    ]
    results = at_once(catalog, *(works if is_undone_first else reversed(works)))
    assert results == ([None, False] if is_undone_first else [True, None])
    assert live(catalog) == before
    catalog.close()


# --- when windows close ---


class Clocks:
    """A clock that can be set, and one that only runs."""

    def __init__(self) -> None:
        self.now, self.steady = NOW, 100.0

    def clock(self) -> datetime:
        return self.now

    def windows(self, catalog: Catalog) -> UndoWindows:
        return UndoWindows(catalog, self.clock, lambda: self.steady)

    def run(self, passed: timedelta) -> None:
        self.now += passed
        self.steady += passed.total_seconds()


def test_a_window_closes_at_its_time_and_not_before(filled: Catalog) -> None:
    clocks = Clocks()
    key = rejected(filled, IMAGE)
    windows = clocks.windows(filled)
    notes = set(prepared(filled, key).values())
    clocks.run(WINDOW - timedelta(seconds=0.5))
    assert windows.step() == pytest.approx(0.5)
    assert not notes & live(filled)
    clocks.run(timedelta(seconds=0.5))
    windows.step()
    assert notes < live(filled)


def test_what_fell_due_while_no_server_ran_is_closed_by_the_next_one(filled: Catalog) -> None:
    clocks = Clocks()
    keys = [rejected(filled, uid) for uid in (IMAGE, IMAGE_2)]
    clocks.run(timedelta(days=3))
    clocks.windows(filled).step()
    for key in keys:
        assert set(prepared(filled, key).values()) < live(filled)


def test_a_window_that_cannot_be_closed_keeps_no_other_open(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks()
    first, second = rejected(filled, IMAGE), rejected(filled, IMAGE_2)
    monkeypatch.setattr(undo_windows, "_PAGE", 1)
    filled.write(
        lambda tx: tx.execute(
            rejection_note.update().where(rejection_note.c.withdrawal == first).values(prepared=b"no zlib")
        )
    )
    clocks.run(timedelta(minutes=20))
    windows = clocks.windows(filled)
    windows.step()
    windows.step()
    assert set(prepared(filled, second).values()) < live(filled)
    with filled.read() as connection:
        assert undo_windows.number_late(connection, clocks.now) == 1
    undone(filled, first)
    assert {IMAGE} < live(filled)


def test_a_clock_that_is_set_back_closes_a_window_after_its_length(filled: Catalog) -> None:
    clocks = Clocks()
    key = rejected(filled, IMAGE)
    notes = set(prepared(filled, key).values())
    clocks.now -= timedelta(days=365)
    windows = clocks.windows(filled)
    windows.step()
    clocks.run(WINDOW - timedelta(seconds=1))
    windows.step()
    assert not notes & live(filled)
    clocks.run(timedelta(seconds=1))
    windows.step()
    assert notes < live(filled)
    clocks.now -= timedelta(days=365)
    windows.step()
    assert notes < live(filled), "what has been told stays told"


# --- notes ---


@pytest.mark.parametrize("is_late", [False, True], ids=["in its window", "later"])
def test_a_withdrawn_note_comes_back_as_it_was(filled: Catalog, is_late: bool) -> None:
    note = made(filled, request(IMAGE, SECOND_IMAGE))
    assert note.id is not None
    number = note.id
    changed = request(IMAGE_2, SECOND_IMAGE, description="Changed")
    filled.write(
        lambda tx: revise(tx, number, changed, expected_version=1, by=ROE, now=later(NOW), undo_window=WINDOW)
    )
    before = read(filled, number)
    key = filled.write(
        lambda tx: withdraw_note(tx, number, text="blurred", by=ROE, now=later(NOW), undo_window=WINDOW)
    )
    assert read(filled, number).standing == "withdrawn"
    if is_late:
        assert closed(filled, key)
    undone(filled, key)
    assert read(filled, number) == before
    with filled.read() as connection:
        assert [(each.version, each.standing) for each in versions(connection, number)] == [
            (2, "live"),
            (1, "withdrawn"),
        ]
        assert notes_of_study(connection, FIRST) == [before]
        kinds = [each.change.kind for each in changes.since(connection, changes.BEGINNING, 100)]
    assert kinds.count("note restored") == 1
    again = request(IMAGE, description="Once more")
    filled.write(
        lambda tx: revise(tx, number, again, expected_version=2, by=ROE, now=later(NOW), undo_window=WINDOW)
    )
    assert read(filled, number).version == 3


@pytest.mark.parametrize("is_late", [False, True], ids=["in its window", "later"])
def test_a_revision_is_not_undone_but_revised(filled: Catalog, is_late: bool) -> None:
    note = made(filled, request(IMAGE))
    assert note.id is not None
    number = note.id
    changed = request(IMAGE_2)
    filled.write(
        lambda tx: revise(tx, number, changed, expected_version=1, by=ROE, now=later(NOW), undo_window=WINDOW)
    )
    before = read(filled, number)
    if is_late:
        assert closed(filled, 1)
    with pytest.raises(NotUndoableError, match="Revise the note again"):
        undone(filled, 1)
    assert read(filled, number) == before
