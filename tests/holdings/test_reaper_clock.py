"""A wrong clock purges nothing: what it says is believed only once it has been the same for long enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.reaping.clock_check import clock_alerts
from tests.holdings.stored_objects import Shelf
from tests.holdings.test_reaper import DAY, KINDS, WEEK, Server, on_sqlite

HOUR = timedelta(hours=1)


@pytest.fixture
def server(catalog: Catalog, tmp_path: Path) -> Iterator[Server]:
    shelf = Shelf.filled(catalog, tmp_path / "data")
    up = Server(shelf)
    up.reap()
    yield up
    up.reaper.close()
    up.node.close()
    shelf.close()


def set_clock(server: Server, by: timedelta) -> None:
    """The clock of the computer is set, while no time passes."""
    server.now += by
    server.reap()


def restart(server: Server) -> None:
    server.reaper.close()
    server.start()
    server.reap()


def alerts(server: Server) -> list[str]:
    with server.shelf.catalog.read() as connection:
        return [each.code for each in clock_alerts(connection)]


def test_a_clock_that_jumps_ahead_purges_nothing_and_is_told(server: Server) -> None:
    server.withdraw(*KINDS)
    set_clock(server, 3650 * DAY)
    assert server.purged() == set()
    assert alerts(server) == ["CLOCK_IN_DOUBT"]
    set_clock(server, -3650 * DAY)
    assert server.purged() == set()
    assert alerts(server) == [], "it is right again"
    for _ in range(7):
        server.after(DAY)
    assert server.purged() == set(KINDS)


def test_a_clock_that_stays_as_it_is_counts_as_right_after_a_day(server: Server) -> None:
    server.withdraw(*KINDS)
    set_clock(server, 3650 * DAY)
    for _ in range(23):
        server.after(HOUR)
    assert server.purged() == set()
    server.after(HOUR)
    assert server.purged() == set(KINDS)
    assert alerts(server) == []


@on_sqlite
def test_a_restart_forgets_neither_the_moment_nor_the_doubt(server: Server) -> None:
    server.withdraw(*KINDS)
    server.reaper.close()
    server.now += 3650 * DAY
    server.start()
    server.reap()
    assert server.purged() == set()
    for _ in range(12):
        server.after(HOUR)
    restart(server)
    for _ in range(11):
        server.after(HOUR)
    assert server.purged() == set()
    assert alerts(server) == ["CLOCK_IN_DOUBT"]
    server.after(HOUR)
    assert server.purged() == set(KINDS)


@on_sqlite
def test_a_server_that_runs_for_some_hours_each_week_comes_to_purge(server: Server) -> None:
    server.withdraw(*KINDS)
    for _ in range(4):
        server.now += WEEK.default or DAY
        restart(server)
        for _ in range(8):
            server.after(HOUR)
    assert server.purged() == set(KINDS)


@on_sqlite
def test_a_second_jump_begins_the_day_anew(server: Server) -> None:
    server.withdraw(*KINDS)
    set_clock(server, 3650 * DAY)
    for _ in range(23):
        server.after(HOUR)
    set_clock(server, 3650 * DAY)
    for _ in range(23):
        server.after(HOUR)
    assert server.purged() == set()


@on_sqlite
def test_a_clock_that_was_set_back_is_in_doubt_and_a_small_correction_is_not(server: Server) -> None:
    set_clock(server, -timedelta(minutes=1))
    assert alerts(server) == []
    set_clock(server, -DAY)
    assert alerts(server) == ["CLOCK_IN_DOUBT"]
    restart(server)
    assert alerts(server) == ["CLOCK_IN_DOUBT"]
