"""The reaper: tombstone, then bytes, then the mark; nothing live, and nothing that was undone in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from kinote.catalog.changes import Kind
from kinote.catalog.nodes import Node
from kinote.catalog.schema.tables import instance, owed_removal, purge, study
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.opening.recovery import Recovered, recover
from kinote.holdings.reaping import reaper as reaper_module
from kinote.holdings.reaping.reaper import Reaper
from kinote.lifecycle import counts
from kinote.lifecycle.acts import QUALITY, RETENTION_EXPIRED, SAFETY, WRONG_PATIENT, Act
from kinote.lifecycle.holds.acts import WantedHold, end, place
from kinote.lifecycle.holds.hold import HeldThing, HoldKind, HoldLevel
from kinote.lifecycle.purging import tombstones
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.purging.tombstones import MOST_ATTEMPTS
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.notes.acts.undo_windows import close_window
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.trail import AuditTrail
from kinote.storage.store import StorageError
from kinote.storage.stores import Stores
from tests.actors import ROE
from tests.clock import clock
from tests.holdings.stored_objects import Shelf
from tests.kept_bytes import kept_places

KINDS = ("in a pack", "small", "large", "in the index")

DAY = timedelta(days=1)
WEEK = PurgeDelays(7 * DAY)

#: Seconds between two signs of life that never come.
NEVER = 86_400.0


#: For what is the same on both databases.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


@dataclass
class Server:
    """A node of the shelf's index with its reaper, and the time."""

    shelf: Shelf
    now: datetime = field(default_factory=clock)
    delays: PurgeDelays = WEEK
    missing_stores: set[int] = field(default_factory=set)
    #: The seconds that have passed, whatever the clock says.
    steady: float = 0.0
    node: Node = field(init=False)
    reaper: Reaper = field(init=False)

    def __post_init__(self) -> None:
        self.node = Node(self.shelf.catalog, "here", self.clock, every=NEVER)
        self.start()

    def start(self) -> None:
        self.reaper = Reaper(
            self.shelf.catalog,
            self.shelf.stores,
            self.clock,
            node=self.node.id,
            delays=self.delays,
            store_is_there=lambda store: store not in self.missing_stores,
            steady=lambda: self.steady,
        )

    def clock(self) -> datetime:
        return self.now

    def reap(self) -> None:
        """Steps until nothing is left to be done."""
        for _ in range(100):
            if self.reaper.step() >= 1:
                return
        raise AssertionError("The reaper finds no end")

    def after(self, delay: timedelta) -> None:
        self.now += delay
        self.steady += delay.total_seconds()
        self.reap()

    def withdraw(self, *names: str, act: Act = QUALITY, **options: Any) -> int:
        uids = [self.shelf.uids[name] for name in names]
        return self.shelf.catalog.write(
            lambda transaction: withdraw(transaction, uids, act=act, text="", by=ROE, now=self.now, **options)
        )

    def undo(self, key: int) -> None:
        self.shelf.catalog.write(lambda transaction: undo(transaction, key, by=ROE, now=self.now))

    def rows(self, name: str) -> list[tuple[str, str, bool]]:
        """Standing and residence of all rows of an object, and whether its UID means them."""
        query = (
            select(instance.c.standing, instance.c.residence, instance.c.is_current)
            .where(instance.c.sop_instance_uid == self.shelf.uids[name])
            .order_by(instance.c.id)
        )
        with self.shelf.catalog.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def purged(self) -> set[str]:
        return {name for name in KINDS if self.rows(name)[0][:2] == ("purged", "none")}

    def all_of(self, table: Any) -> Sequence[Any]:
        with self.shelf.catalog.read() as connection:
            return connection.execute(select(table)).all()


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Server]:
    up = Server(shelf)
    yield up
    up.reaper.close()
    up.node.close()


def hold_law_8(server: Server) -> None:
    """Each row has its bytes or says that it has none; nothing lies in the stores that no row has or is owed."""
    shelf = server.shelf
    with shelf.catalog.read() as connection:
        rows = connection.execute(
            text(
                "SELECT i.standing, i.residence, i.store, i.file_key, i.digest, b.instance AS has_bytes, "
                "m.instance AS has_header, p.instance AS has_pieces "
                "FROM instance i LEFT JOIN instance_bytes b ON b.instance = i.id "
                "LEFT JOIN instance_metadata m ON m.instance = i.id "
                "LEFT JOIN instance_pieces p ON p.instance = i.id"
            )
        ).all()
        assert counts.differences(connection) == []
    for row in rows:
        assert (row.standing == "purged") == (row.residence == "none"), row
        assert row.digest
        if row.standing == "purged":
            assert (row.file_key, row.has_bytes, row.has_header, row.has_pieces) == (None,) * 4
        else:
            assert row.file_key or row.has_bytes
    owed = {(row.store, row.key) for row in server.all_of(owed_removal)}
    assert kept_places(shelf.stores) - owed == {(row.store, row.file_key) for row in rows if row.file_key}


@on_sqlite
def test_nothing_is_purged_until_somebody_has_said_when(server: Server) -> None:
    server.delays = PurgeDelays()
    server.start()
    server.withdraw(*KINDS)
    server.after(3650 * DAY)
    assert server.purged() == set()
    assert len(kept_places(server.shelf.stores)) == 3


def test_what_is_withdrawn_for_the_set_time_is_purged_and_its_tombstone_stays(server: Server) -> None:
    before = {name: server.shelf.stored(name) for name in KINDS}
    key = server.withdraw(*KINDS)
    server.after(7 * DAY - timedelta(seconds=1))
    assert server.purged() == set()
    server.after(timedelta(seconds=1))
    assert server.purged() == set(KINDS)
    assert kept_places(server.shelf.stores) == set()
    hold_law_8(server)
    assert server.all_of(owed_removal) == []
    for name in KINDS:
        after = server.shelf.stored(name)
        assert (after.digest, after.size) == (before[name].digest, before[name].size)
    rows = server.all_of(purge)
    assert {row.withdrawal for row in rows} == {key}
    assert all(row.purged_at and row.removed_at and not row.attempts for row in rows)
    assert sorted(server.shelf.happened(Kind.INSTANCE_PURGED)) == sorted(server.shelf.uids.values())


def test_what_is_on_hold_stays_hidden_and_keeps_its_bytes(server: Server) -> None:
    server.withdraw(*KINDS)
    catalog = server.shelf.catalog
    with catalog.read() as connection:
        uid = connection.execute(
            select(study.c.study_instance_uid)
            .join(instance, instance.c.study == study.c.id)
            .where(instance.c.sop_instance_uid == server.shelf.uids["large"])
        ).scalar_one()
    wanted = WantedHold(HoldKind.LEGAL, HeldThing(HoldLevel.STUDY, uid), "A case is open")
    one = catalog.write(lambda transaction: place(transaction, wanted, by=ROE, now=server.now))
    server.after(70 * DAY)
    kept = set(KINDS) - server.purged()
    assert "large" in kept
    assert {server.rows(name)[0][0] for name in kept} == {"withdrawn"}
    hold_law_8(server)
    # The transaction decides anew, whatever was looked at before.
    with catalog.read() as connection:
        keys = list(connection.execute(select(instance.c.id)).scalars())
    entombed = catalog.write(lambda tx: tombstones.entomb(tx, keys, WEEK, server.now))
    assert entombed == []
    catalog.write(lambda transaction: end(transaction, one.id, "settled", by=ROE, now=server.now))
    server.after(timedelta(seconds=1))
    assert server.purged() == set(KINDS)
    hold_law_8(server)


def test_what_is_purged_is_in_the_audit_trail_with_its_study(server: Server) -> None:
    trail = AuditTrail(server.shelf.catalog, server.clock)
    server.reaper._record = trail.write
    server.withdraw(*KINDS)
    server.after(7 * DAY)
    with server.shelf.catalog.read() as connection:
        entries = search_trail(connection, TrailSearch(), before=None, limit=100)
    assert {(each["event"], each["by"]["kind"]) for each in entries} == {("purged", "server")}
    assert sum(each["detail"]["instances"] for each in entries) == len(KINDS)
    assert all(each["study_instance_uid"] for each in entries)


@on_sqlite
def test_the_delay_of_a_title_goes_before_that_of_all_for_what_others_reject(server: Server) -> None:
    server.delays = PurgeDelays(DAY, {"113037": None, "113039": 30 * DAY})
    server.start()
    server.withdraw("small", act=QUALITY, received=True)
    server.withdraw("large", act=SAFETY, received=True)
    server.withdraw("in a pack", act=RETENTION_EXPIRED, received=True)
    server.withdraw("in the index", act=RETENTION_EXPIRED)
    server.after(29 * DAY)
    assert server.purged() == {"small", "in the index"}
    server.after(3000 * DAY)
    assert server.purged() == {"small", "in the index", "in a pack"}


@on_sqlite
def test_a_delay_for_what_others_reject_does_not_purge_what_was_withdrawn_here(server: Server) -> None:
    server.delays = PurgeDelays(None, {"113001": DAY})
    server.start()
    server.withdraw("small", act=QUALITY)
    server.after(3000 * DAY)
    assert server.purged() == set()


@pytest.mark.parametrize(("delay", "purged"), [(30 * DAY, True), (None, False)], ids=["set", "never"])
def test_a_rejection_note_has_a_delay_of_its_own(
    server: Server, delay: timedelta | None, purged: bool
) -> None:
    server.delays = PurgeDelays(DAY, {"113001": DAY}, {"113001": delay})
    server.start()
    note = server.shelf.uids["in the index"]
    server.withdraw("small", "in the index", act=QUALITY, received=True, rejection_note_uid=note)
    server.after(29 * DAY)
    assert server.purged() == {"small"}
    server.after(DAY)
    assert server.purged() == {"small"} | ({"in the index"} if purged else set())


@on_sqlite
def test_nothing_is_purged_while_it_can_be_undone(server: Server) -> None:
    server.delays = PurgeDelays(timedelta())
    server.start()
    regrettable = server.withdraw("small", act=QUALITY, undo_window=QUALITY.undo_window)
    server.withdraw("large", act=SAFETY)
    server.after(2 * QUALITY.undo_window)
    # The window is open until its closing is written.
    assert server.purged() == {"large"}
    assert server.shelf.catalog.write(lambda tx: close_window(tx, regrettable, now=server.now))
    server.after(timedelta(seconds=1))
    assert server.purged() == {"small", "large"}


@on_sqlite
def test_the_last_of_several_withdrawals_decides(server: Server) -> None:
    server.withdraw("small")
    server.now += 6 * DAY
    second = server.withdraw("small")
    server.after(5 * DAY)
    assert server.purged() == set()
    server.undo(second)
    server.reap()
    assert server.purged() == {"small"}


@on_sqlite
def test_an_act_of_a_later_version_is_never_over(server: Server) -> None:
    server.withdraw("small")
    server.shelf.catalog.write(lambda tx: tx.execute(text("UPDATE withdrawal SET act = 'not known yet'")))
    server.after(5000 * DAY)
    assert server.purged() == set()


@on_sqlite
def test_what_is_live_held_or_undone_is_never_purged(server: Server) -> None:
    undone = server.withdraw("small", "in the index")
    server.undo(undone)
    server.shelf.catalog.write(
        lambda tx: tx.execute(
            update(instance)
            .where(instance.c.sop_instance_uid == server.shelf.uids["large"])
            .values(standing="held", is_current=False, held_reason="a test")
        )
    )
    server.after(5000 * DAY)
    assert server.purged() == set()
    assert len(kept_places(server.shelf.stores)) == 3


def test_a_withdrawal_undone_just_before_the_tombstone_wins(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = server.withdraw("small", "large")
    server.withdraw("large")
    found = tombstones.withdrawn_after

    def undone_once_read(*arguments: Any) -> Any:
        page = found(*arguments)
        if page[0]:
            monkeypatch.undo()
            server.undo(key)
        return page

    monkeypatch.setattr(reaper_module, "withdrawn_after", undone_once_read)
    server.after(8 * DAY)
    assert server.purged() == {"large"}
    assert server.rows("small") == [("live", "local", True)]
    assert server.shelf.read("small")
    hold_law_8(server)


@on_sqlite
def test_a_reader_that_has_the_file_open_goes_on(server: Server) -> None:
    with (
        server.shelf.door.open(server.shelf.found("large"), ROE).file as large,
        server.shelf.door.open(server.shelf.found("in a pack"), ROE).file as packed,
    ):
        server.withdraw(*KINDS)
        server.after(8 * DAY)
        assert kept_places(server.shelf.stores) == set()
        assert large.read() == server.shelf.data_set("large")
        assert packed.read() == server.shelf.data_set("in a pack")


# --- what fails ------------------------------------------------------------------------------------


class DeadError(BaseException):
    """The process is killed."""


#: Where a kill can come: the function that is interrupted, and whether it comes after what the function does.
KILLS = {
    "before the tombstone": (reaper_module, "entomb", False),
    "within the transaction of the tombstone": (reaper_module, "remember", False),
    "before the bytes are removed": (Stores, "remove", False),
    "once the bytes are removed": (Stores, "remove", True),
    "within the transaction of the mark": ("kinote.holdings.reaping.unlinking", "mark_removed", True),
}


@on_sqlite
@pytest.mark.parametrize("kill", KILLS)
def test_law_8_a_kill_at_any_point_of_a_purge_costs_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, kill: str
) -> None:
    owner, name, is_after = KILLS[kill]
    where = owner if not isinstance(owner, str) else __import__(owner, fromlist=["_"])
    does = getattr(where, name)

    def killed(*arguments: Any, **options: Any) -> Any:
        if is_after:
            does(*arguments, **options)
        raise DeadError

    server.withdraw(*KINDS)
    with monkeypatch.context() as patched:
        patched.setattr(where, name, killed)
        with pytest.raises(DeadError):
            server.after(8 * DAY)
    hold_law_8(server)
    # The next start: what has to be removed is nobody's secret, and is not set aside.
    assert recover(server.shelf.catalog, server.shelf.stores, server.now) == Recovered()
    server.start()
    server.reap()
    assert server.purged() == set(KINDS)
    assert kept_places(server.shelf.stores) == set()
    assert all(row.removed_at for row in server.all_of(purge))
    assert server.all_of(owed_removal) == []
    hold_law_8(server)


@on_sqlite
def test_breach_of_law_8_bytes_that_are_forgotten_are_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper_module, "remember", lambda *_, **__: None)
    server.withdraw("small")
    server.after(8 * DAY)
    with pytest.raises(AssertionError):
        hold_law_8(server)


def test_law_3_a_purge_that_fails_is_dead_after_its_attempts_and_blocks_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury = tombstones._bury
    poisoned = server.shelf.uids["small"]

    def fails(transaction: Connection, decided: Any, now: datetime) -> None:
        bury(transaction, decided, now)
        if any(row.sop_instance_uid == poisoned for row, _ in decided):
            raise RuntimeError("a poisonous row")

    server.withdraw(*KINDS)
    with monkeypatch.context() as patched:
        patched.setattr(tombstones, "_bury", fails)
        server.after(8 * DAY)
        assert server.purged() == set(KINDS) - {"small"}
        (row,) = [row for row in server.all_of(purge) if not row.purged_at]
        assert (row.attempts, row.reason) == (1, "RuntimeError: a poisonous row")
        server.reap()
        (row,) = [row for row in server.all_of(purge) if not row.purged_at]
        assert row.attempts == 1, "it waits before the next attempt"
        for _ in range(2 * MOST_ATTEMPTS):
            server.after(DAY)
        (row,) = [row for row in server.all_of(purge) if not row.purged_at]
        assert row.attempts == MOST_ATTEMPTS
        assert server.rows("small") == [("withdrawn", "local", True)]
        hold_law_8(server)
    server.after(DAY)
    assert "small" not in server.purged(), "it is left alone"
    again = server.shelf.catalog.write(lambda tx: tombstones.try_again(tx, [row.instance]))
    assert again == 1
    server.reap()
    assert server.purged() == set(KINDS)
    hold_law_8(server)


@on_sqlite
def test_law_3_bytes_that_cannot_be_removed_are_tried_again_and_block_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = Stores.remove
    stuck = (server.shelf.stored("small").store, server.shelf.stored("small").file_key)

    def fails(stores: Stores, places: Any) -> None:
        wanted = list(places)
        if stuck in wanted:
            raise StorageError("Operation not permitted")
        remove(stores, wanted)

    server.withdraw(*KINDS)
    with monkeypatch.context() as patched:
        patched.setattr(Stores, "remove", fails)
        server.after(8 * DAY)
        assert server.purged() == set(KINDS)
        assert kept_places(server.shelf.stores) == {stuck}
        (row,) = server.all_of(owed_removal)
        assert (row.attempts, row.reason) == (1, "Operation not permitted")
        for _ in range(2 * MOST_ATTEMPTS):
            server.after(DAY)
        (row,) = server.all_of(owed_removal)
        assert row.attempts == MOST_ATTEMPTS
        assert [row.instance for row in server.all_of(purge) if not row.removed_at] == [row.instance]
    server.after(DAY)
    assert server.all_of(owed_removal)
    assert server.shelf.catalog.write(lambda tx: tombstones.try_again(tx, [row.instance])) == 1
    server.reap()
    assert kept_places(server.shelf.stores) == set()
    assert all(row.removed_at for row in server.all_of(purge))


@on_sqlite
def test_law_8_nothing_counts_as_removed_while_its_store_cannot_be_reached(server: Server) -> None:
    server.withdraw(*KINDS)
    server.missing_stores = {store.id for store in server.shelf.stores}
    server.after(8 * DAY)
    assert server.purged() == set(KINDS)
    assert len(server.all_of(owed_removal)) == 3
    server.missing_stores = set()
    server.reap()
    assert server.all_of(owed_removal) == []
    hold_law_8(server)


def test_one_node_at_a_time(server: Server) -> None:
    other = Server(server.shelf)
    try:
        server.withdraw("small")
        server.after(8 * DAY)
        assert server.purged() == {"small"}
        other.now = server.now
        other.withdraw("large")
        other.after(8 * DAY - timedelta(seconds=1))
        other.after(timedelta(seconds=1))
    finally:
        other.reaper.close()
        other.node.close()


# --- what comes later under the UID of a tombstone --------------------------------------------------


def test_a_later_copy_of_what_is_never_to_be_taken_again_is_refused(server: Server) -> None:
    server.withdraw(*KINDS, act=WRONG_PATIENT)
    server.after(8 * DAY)
    for name in KINDS:
        outcome = server.shelf.receive(name)
        assert (outcome.kind, outcome.status) == ("refused", 0xC771)
        assert "out of use" in outcome.reason
    assert server.purged() == set(KINDS)
    hold_law_8(server)


def test_a_later_copy_that_is_to_be_hidden_is_kept_withdrawn_and_purged_in_its_time(server: Server) -> None:
    server.withdraw(*KINDS, act=QUALITY)
    server.after(8 * DAY)
    server.shelf.receiver.clock = server.clock
    for name in KINDS:
        assert server.shelf.receive(name).kind == "stored"
        assert server.shelf.receive(name).kind == "known"
        assert server.rows(name) == [("purged", "none", False), ("withdrawn", "local", True)]
    hold_law_8(server)
    server.after(6 * DAY)
    assert all(server.rows(name)[1][0] == "withdrawn" for name in KINDS)
    server.after(DAY)
    assert all([row[0] for row in server.rows(name)] == ["purged", "purged"] for name in KINDS)
    hold_law_8(server)


def test_a_later_copy_of_what_had_expired_is_live_again(server: Server) -> None:
    server.withdraw(*KINDS, act=RETENTION_EXPIRED)
    server.after(8 * DAY)
    for name in KINDS:
        assert server.shelf.receive(name).kind == "stored"
        assert server.rows(name) == [("purged", "none", False), ("live", "local", True)]
        assert server.shelf.read(name) == server.shelf.data_set(name)
    hold_law_8(server)
    server.after(100 * DAY)
    assert all(server.rows(name)[1][0] == "live" for name in KINDS)


@on_sqlite
def test_a_later_copy_of_what_was_undone_too_late_is_live_again(server: Server) -> None:
    key = server.withdraw(*KINDS, act=SAFETY)
    server.after(8 * DAY)
    server.undo(key)
    assert server.purged() == set(KINDS)
    for name in KINDS:
        assert server.shelf.receive(name).kind == "stored"
        assert server.rows(name) == [("purged", "none", False), ("live", "local", True)]
    hold_law_8(server)


@on_sqlite
def test_the_strictest_of_several_acts_decides_about_later_copies(server: Server) -> None:
    server.withdraw("small", act=RETENTION_EXPIRED)
    server.withdraw("small", act=SAFETY)
    server.after(8 * DAY)
    assert server.shelf.receive("small").kind == "refused"
