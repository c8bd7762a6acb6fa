"""Event streams: woken by commits, silent towards the index in between, and ended with the server."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from kinote.catalog import changes
from kinote.catalog.changes import Change
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.storage.local import local_stores
from kinote.web.api.operations import changes as feed
from kinote.web.application import Rooms, create_application
from tests.actors import OPEN
from tests.clock import clock
from tests.running_server import RunningServer
from tests.web.conftest import running
from tests.web.event_stream import listening

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

#: Clients that listen at the same time: more than there are threads for reading.
_LISTENERS = 20

#: Seconds after which something counts as lost.
LIMIT = 60

#: Seconds for a server to end: many times what it takes, and far from what other requests are given.
_WELL_BELOW_GRACE = 15


def happens(catalog: Catalog, kind: str) -> None:
    catalog.write(lambda transaction: changes.record(transaction, [Change(kind)], now=NOW))


def test_a_commit_wakes_every_listener(client: httpx.Client, rooms: Rooms) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(client)) for _ in range(_LISTENERS)]
        happens(rooms.catalog, "first")
        assert [listener.next_kind() for listener in listeners] == ["first"] * _LISTENERS
        happens(rooms.catalog, "second")
        assert [listener.next_kind() for listener in listeners] == ["second"] * _LISTENERS


def test_breach_without_announcements_nobody_is_woken(
    client: httpx.Client, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing else wakes a stream: it would be found by looking again and again."""
    monkeypatch.setattr(changes, "note_changes", lambda transaction: None)
    monkeypatch.setattr(feed, "_STILL_THERE", 0.05)
    with listening(client) as listener:
        happens(rooms.catalog, "unnoticed")
        listener.is_idle()
        listener.is_idle()
        rooms.catalog.announcements.announce()
        assert listener.next_kind() == "unnoticed"


def test_listeners_that_wait_ask_the_index_for_nothing(
    client: httpx.Client, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    since = changes.since

    def counting(*arguments: Any) -> list[changes.RecordedChange]:
        nonlocal asked
        asked += 1
        return since(*arguments)

    monkeypatch.setattr(changes, "since", counting)
    monkeypatch.setattr(feed, "_STILL_THERE", 0.01)
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(client)) for _ in range(_LISTENERS)]
        assert asked == _LISTENERS
        for _ in range(5):
            for listener in listeners:
                listener.is_idle()
        assert asked == _LISTENERS


def test_a_transaction_without_changes_wakes_nobody(sqlite_url: str) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    told: list[str] = []
    with catalog.announcements.listening(lambda: told.append("told")):
        catalog.write(lambda transaction: changes.record(transaction, [], now=NOW))
        with pytest.raises(ZeroDivisionError):
            catalog.write(fails_after_a_change)
        happens(catalog, "something")
        # It waits for what its writer still has to do.
        catalog.close()
    assert told == ["told"]


def fails_after_a_change(transaction: Connection) -> None:
    changes.record(transaction, [Change("never")], now=NOW)
    raise ZeroDivisionError


def test_who_cannot_be_told_is_in_nobodys_way(catalog: Catalog) -> None:
    told = threading.Semaphore(0)

    def fails() -> None:
        raise ValueError

    with (
        catalog.announcements.listening(fails),
        catalog.announcements.listening(told.release),
    ):
        for kind in ("first", "second"):
            happens(catalog, kind)
            assert told.acquire(timeout=LIMIT)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_what_an_older_transaction_holds_back_comes_when_it_has_ended(
    postgresql_url: str, tmp_path: Path, end: str
) -> None:
    """Nobody tells of a transaction that is rolled back, or that has made no changes."""
    stores = local_stores(tmp_path / "data")
    catalog = Catalog(CatalogOptions(postgresql_url))
    receiver = Receiver(catalog, stores, clock=clock)
    engine = dialects.engine_for(postgresql_url, pool_size=1)
    rooms = Rooms(catalog, receiver, Door(catalog, stores, clock=clock), clock=clock, policy=OPEN)
    with (
        running(create_application(rooms)) as address,
        httpx.Client(base_url=address, timeout=LIMIT, trust_env=False) as client,
        listening(client) as listener,
        engine.connect() as older,
    ):
        dialects.current_transaction(older)
        happens(catalog, "held back")
        with catalog.read() as connection:
            assert changes.since(connection, changes.BEGINNING, 10) == []
            assert changes.is_held_back(connection, changes.BEGINNING)
        getattr(older, end)()
        assert listener.next_kind() == "held back"
        with catalog.read() as connection:
            (found,) = changes.since(connection, changes.BEGINNING, 10)
            assert not changes.is_held_back(connection, found.position)
    engine.dispose()
    receiver.close()
    catalog.close()


@pytest.mark.parametrize("streams", [1, _LISTENERS])
def test_a_server_that_is_stopped_does_not_wait_for_streams(tmp_path: Path, streams: int) -> None:
    server = RunningServer(tmp_path / "data")
    with httpx.Client(base_url=server.url, timeout=LIMIT, trust_env=False) as client, ExitStack() as stack:
        listeners = [stack.enter_context(listening(client)) for _ in range(streams)]
        server.process.terminate()
        # Other requests may take 30 s to finish: a stream never would.
        assert server.process.wait(_WELL_BELOW_GRACE) == 0
        assert all(listener.rest() == [] for listener in listeners), (
            "They ended as answers do that are whole."
        )
