"""The reconciler: rows and bytes agree in both directions, or somebody is told; nothing is deleted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog.node_turns import NodeTurn, found_turn
from kinote.catalog.nodes import Node
from kinote.catalog.schema.tables import instance, owed_removal
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.reconciling import unowned as unowned_module
from kinote.holdings.reconciling.reconciler import NAME, Reconciler
from kinote.holdings.removing.removal import remember
from kinote.storage.stores import Stores
from tests.clock import clock
from tests.holdings.stored_objects import CHANGES, Shelf
from tests.kept_bytes import kept_places, left_behind

KINDS = ("in a pack", "small", "large", "in the index")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

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
    """A node of the shelf's index with its reconciler, and the time."""

    shelf: Shelf
    now: datetime = field(default_factory=clock)
    is_there: bool = True
    living: set[str] = field(default_factory=set)
    node: Node = field(init=False)
    reconciler: Reconciler = field(init=False)

    def __post_init__(self) -> None:
        self.node = Node(self.shelf.catalog, "here", self.clock, every=NEVER)
        self.start()

    def start(self) -> None:
        self.reconciler = Reconciler(
            self.shelf.catalog,
            self.shelf.stores,
            self.clock,
            node=self.node.id,
            every=DAY,
            store_is_there=lambda _: self.is_there,
            living=lambda: self.living,
            steady=lambda: 0.0,
        )

    def clock(self) -> datetime:
        return self.now

    def turn(self) -> NodeTurn | None:
        with self.shelf.catalog.read() as connection:
            return found_turn(connection, NAME)

    def round(self) -> NodeTurn:
        """Steps until a round is through."""
        before = self.turn()
        for _ in range(100):
            seconds = self.reconciler.step()
            found = self.turn()
            if found is not None and found.ended_at and (before is None or found.ended_at != before.ended_at):
                return found
            self.now += timedelta(seconds=min(seconds, 1))
        raise AssertionError("The round does not end")

    def set_aside(self) -> list[bytes]:
        folder = self.shelf.stores.quarantine.folder
        files = sorted(folder.iterdir()) if folder.exists() else []
        return [file.read_bytes() for file in files if file.suffix != ".json"]

    def residences(self) -> dict[str, str]:
        return {name: self.shelf.residence(name) for name in KINDS}


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Server]:
    up = Server(shelf)
    yield up
    up.reconciler.close()
    up.node.close()


def test_law_8_what_agrees_stays_as_it_is(server: Server) -> None:
    places = kept_places(server.shelf.stores)
    assert server.round().counted == {"rows": 4, "damaged": 0, "bytes": 3, "without a row": 0}
    assert kept_places(server.shelf.stores) == places
    assert set(server.residences().values()) == {"local"}
    assert server.reconciler.step() >= 60, "the next round is not due"
    server.now += DAY
    server.round()


@on_sqlite
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("change", ["shorter", "missing"])
def test_law_8_a_row_without_its_bytes_is_damaged_and_heals(server: Server, name: str, change: str) -> None:
    server.shelf.change(name, CHANGES[change])
    assert server.round().counted["damaged"] == 1
    assert server.residences() == {each: "damaged" if each == name else "local" for each in KINDS}
    assert server.shelf.receive(name).kind == "stored"
    assert server.residences()[name] == "local"


def test_law_8_bytes_without_a_row_are_set_aside_once_nobody_can_be_at_work_on_them(server: Server) -> None:
    places = kept_places(server.shelf.stores)
    left_behind(server.shelf.stores, b"nobody's")
    left_behind(server.shelf.stores, b"nobody's small one", small=True)
    assert server.round().counted["without a row"] == 2
    server.reconciler.step()
    assert server.set_aside() == []
    server.now += HOUR
    server.reconciler.step()
    assert sorted(server.set_aside()) == [b"nobody's", b"nobody's small one"]
    assert kept_places(server.shelf.stores) == places


@on_sqlite
def test_bytes_of_a_living_process_may_be_an_upload_for_long(server: Server) -> None:
    store, key = left_behind(server.shelf.stores, b"being uploaded")
    server.living = {next(each for each in server.shelf.stores if each.id == store).maker(key)}
    server.round()
    server.now += 47 * HOUR
    server.reconciler.step()
    assert server.set_aside() == []
    server.now += HOUR
    server.reconciler.step()
    assert server.set_aside() == [b"being uploaded"]


def test_bytes_that_get_their_row_or_are_to_be_removed_are_let_alone(server: Server) -> None:
    (key,) = [
        key for store, key in kept_places(server.shelf.stores) if key == server.shelf.stored("small").file_key
    ]
    stored = server.shelf.stored("small")

    def point(to: str | None) -> None:
        server.shelf.catalog.write(
            lambda tx: tx.execute(instance.update().where(instance.c.id == stored.id).values(file_key=to))
        )

    server.shelf.catalog.write(
        lambda tx: tx.execute(
            instance.update().where(instance.c.id == stored.id).values(residence="remote", file_key=None)
        )
    )
    owed = left_behind(server.shelf.stores, b"to be removed")
    server.shelf.catalog.write(lambda tx: remember(tx, owed, server.now, instance=stored.id))
    assert server.round().counted["without a row"] == 1
    point(key)
    server.now += 100 * HOUR
    server.reconciler.step()
    assert server.set_aside() == []
    with server.shelf.catalog.read() as connection:
        assert len(connection.execute(select(owed_removal)).all()) == 1


@on_sqlite
def test_more_than_a_fault_leaves_is_not_touched(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unowned_module, "MOST_LEFT", 2)
    for number in range(4):
        left_behind(server.shelf.stores, b"%d" % number)
    server.round()
    server.now += 100 * HOUR
    server.reconciler.step()
    assert server.set_aside() == []
    assert server.reconciler.unowned.too_many == 3


@on_sqlite
def test_what_is_more_than_a_fault_leaves_is_logged_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(unowned_module, "MOST_LEFT", 2)
    for number in range(4):
        left_behind(server.shelf.stores, b"%d" % number)
    server.round()
    for _ in range(5):
        server.reconciler.step()
    assert sum("unknown to the index" in record.message for record in caplog.records) == 1


@on_sqlite
def test_one_file_that_cannot_be_set_aside_keeps_neither_the_others_nor_the_round(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = left_behind(server.shelf.stores, b"stuck")
    left_behind(server.shelf.stores, b"free")
    set_aside = Stores.set_aside
    tried: list[Any] = []

    def fails(stores: Stores, places: Any, **options: Any) -> int:
        wanted = list(places)
        tried.append(wanted)
        if stuck in wanted:
            raise PermissionError(1, "Operation not permitted")
        return set_aside(stores, wanted, **options)

    server.round()
    server.now += DAY
    with monkeypatch.context() as patched:
        patched.setattr(Stores, "set_aside", fails)
        server.round()
        assert server.set_aside() == [b"free"]
        (alert,) = server.reconciler.unowned.alerts
        assert alert.code == "FILES_NOT_SET_ASIDE"
        assert "Operation not permitted" in alert.text
        before = len(tried)
        server.reconciler.step()
        assert len(tried) == before, "it waits before the next attempt"
    server.now += HOUR
    server.reconciler.step()
    assert sorted(server.set_aside()) == [b"free", b"stuck"]
    assert server.reconciler.unowned.alerts == []


@on_sqlite
def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_looked_at(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = left_behind(server.shelf.stores, b"in the other folder")
    unreadable = key.rpartition("/")[0]
    scandir = os.scandir

    def fails(path: Any) -> Any:
        if str(path).rstrip("/").endswith(unreadable):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", fails)
        assert server.round().counted["unread"] == 1
        (alert,) = server.reconciler.unowned.alerts
        assert alert.code == "FOLDERS_UNREADABLE"
        assert unreadable in alert.text
        server.start()
        server.reconciler.step()
        assert [each.code for each in server.reconciler.unowned.alerts] == ["FOLDERS_UNREADABLE"]
    server.now += DAY
    server.round()
    assert server.reconciler.unowned.alerts == []


@on_sqlite
def test_law_8_a_look_at_bytes_that_fails_counts_as_no_look(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(server.shelf.stores, b"nobody's")

    def fails(*_: Any) -> int:
        raise RuntimeError("a test")

    with monkeypatch.context() as patched:
        patched.setattr("kinote.holdings.reconciling.reconciler.look_at", fails)
        for _ in range(20):
            with contextlib.suppress(RuntimeError):
                server.reconciler.step()
        turn = server.turn()
        assert turn is None or not turn.ended_at
    counted = server.round().counted
    assert (counted["bytes"], counted["without a row"]) == (4, 1)


@on_sqlite
def test_a_store_that_is_away_says_nothing(server: Server) -> None:
    server.shelf.change("small", CHANGES["missing"])
    server.is_there = False
    assert server.reconciler.step() >= 60
    assert set(server.residences().values()) == {"local"}


@on_sqlite
def test_a_restart_goes_on_where_it_was(server: Server) -> None:
    server.reconciler.step()
    server.reconciler.close()
    turn = server.turn()
    assert turn is not None
    assert int(turn.position) > 0
    server.start()
    assert server.round().counted["rows"] == 4


def test_another_node_waits_for_a_living_one(server: Server) -> None:
    server.reconciler.step()
    other = Server(server.shelf, now=server.now)
    try:
        assert other.reconciler.step() >= 60
        server.reconciler.close()
        other.round()
    finally:
        other.reconciler.close()
        other.node.close()


@on_sqlite
def test_breach_of_law_8_a_reconciler_that_does_not_look_is_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinote.holdings.reconciling.reconciler.look_at", lambda *_: 0)
    left_behind(server.shelf.stores, b"nobody's")
    server.round()
    server.now += 100 * HOUR
    server.reconciler.step()
    assert kept_places(server.shelf.stores) != {
        (stored.store, stored.file_key) for stored in map(server.shelf.stored, KINDS) if stored.file_key
    }
