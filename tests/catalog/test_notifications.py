"""How the servers of one PostgreSQL hear of each other's commits, whatever becomes of a notification."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from kinote.catalog.changes import Change, record
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.catalog.transactions.notifications import Notifications

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

#: Seconds after which something counts as lost.
LIMIT = 60

#: Seconds between two looks: never, and all the time.
NEVER, ALWAYS = 86_400.0, 0.01


class Ear:
    """Counts what it hears, and the looks of its notifications."""

    def __init__(self, url: str, look_every: float) -> None:
        self._heard = threading.Semaphore(0)
        self._looked = threading.Semaphore(0)
        ear = self

        class Watched(Notifications):
            def _look(self, driver: object) -> None:
                super()._look(driver)
                ear._looked.release()

        self.notifications = Watched(url, self._heard.release, look_every=look_every)
        # The first look comes when it listens already.
        self.hears()

    def hears(self) -> None:
        assert self._heard.acquire(timeout=LIMIT)

    def hears_by_looking(self) -> None:
        """What is committed in the middle of a look is found by that one and by the next, and by none after."""
        self.hears()
        self.looks(2)
        while self.has_heard():
            pass

    def has_heard(self) -> bool:
        return self._heard.acquire(blocking=False)

    def looks(self, times: int) -> None:
        while self._looked.acquire(blocking=False):
            pass
        for _ in range(times):
            assert self._looked.acquire(timeout=LIMIT)


@contextmanager
def ear(url: str, look_every: float = NEVER) -> Iterator[Ear]:
    opened = Ear(url, look_every)
    try:
        yield opened
    finally:
        opened.notifications.close()


@contextmanager
def silent_writers(url: str) -> Iterator[Engine]:
    """Connections that commit and notify nobody."""
    engine = dialects.engine_for(url, pool_size=4)
    yield engine
    engine.dispose()


def test_another_server_hears_of_a_commit(postgresql_url: str) -> None:
    with ear(postgresql_url) as other:
        catalog = Catalog(CatalogOptions(postgresql_url))
        for kind in ("first", "second", "third"):
            catalog.write(lambda transaction, kind=kind: record(transaction, [Change(kind)], now=NOW))  # type: ignore[misc]
            other.hears()
        # Whatever is to be said is said before the end.
        catalog.write(lambda transaction: record(transaction, [Change("last")], now=NOW))
        catalog.close()
        other.hears()


def test_a_server_is_not_woken_again_by_what_it_said(postgresql_url: str) -> None:
    with ear(postgresql_url) as speaker, ear(postgresql_url) as other:
        for _ in range(3):
            speaker.notifications.send()
            other.hears()
        other.notifications.send()
        speaker.hears()
        assert not speaker.has_heard()


def test_a_lost_notification_is_found_by_looking(postgresql_url: str) -> None:
    with ear(postgresql_url, ALWAYS) as listener, silent_writers(postgresql_url) as writers:
        with writers.begin() as transaction:
            record(transaction, [Change("unsaid")], now=NOW)
        listener.hears_by_looking()
        listener.looks(5)
        assert not listener.has_heard(), "Nothing more has happened."


def test_a_late_commit_is_found_by_looking(postgresql_url: str) -> None:
    with ear(postgresql_url, ALWAYS) as listener, silent_writers(postgresql_url) as writers:
        with writers.begin() as late:
            record(late, [Change("drawn first")], now=NOW)
            with writers.begin() as early:
                record(early, [Change("drawn second")], now=NOW)
            listener.hears_by_looking()
            listener.looks(5)
            assert not listener.has_heard()
        listener.hears()


def test_after_its_connection_broke_it_hears_again(postgresql_url: str) -> None:
    with ear(postgresql_url) as listener, silent_writers(postgresql_url) as writers:
        with writers.begin() as transaction:
            record(transaction, [Change("while nobody listens")], now=NOW)
            transaction.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE '%pg_current_snapshot%' AND pid <> pg_backend_pid() "
                    "AND datname = current_database()"
                )
            )
        listener.hears()
        with ear(postgresql_url) as other:
            other.notifications.send()
            listener.hears()
