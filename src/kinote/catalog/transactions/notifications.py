"""Notifies the servers of one PostgreSQL database of each other's commits (`LISTEN`, `NOTIFY`).

One connection of each process does both, in a thread of its own. `NOTIFY` in the transaction with the changes would
serialize all commits: PostgreSQL takes a lock on the whole database for it until the commit is durable. So it is
sent afterwards, once for everything committed meanwhile.

A notification is lost if its sender dies between commit and `NOTIFY`, and while the connection is broken. So the
feed is checked for growth at intervals, and after each new connection: one query for all listeners.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from kinote.catalog.sql import dialects

log = logging.getLogger(__name__)

_CHANNEL = "kinote_committed"

#: Seconds between two checks for changes without a notification.
_LOOK_EVERY = 20.0

#: The least number of seconds between two notifications. Commits in between share the next one.
_SPACING = 0.02

#: Seconds between two attempts to connect: the first pause, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0

#: Its commit need not be durable, because the changes it announces are.
_PREPARE = "SET synchronous_commit = off"

_SNAPSHOT = "SELECT pg_current_snapshot()::text"

#: Whether a change has been committed since an earlier snapshot, including by a transaction that had begun before
#: it.
_HAS_GROWN = (
    "SELECT EXISTS (SELECT 1 FROM change WHERE transaction >= pg_snapshot_xmin(%(earlier)s::pg_snapshot)::text::bigint "
    "AND NOT pg_visible_in_snapshot(transaction::text::xid8, %(earlier)s::pg_snapshot))"
)


class Notifications:
    """Notifies other processes on `send`, and calls `heard` when another process has sent a notification."""

    def __init__(self, url: str, heard: Callable[[], None], *, look_every: float = _LOOK_EVERY) -> None:
        self._engine = dialects.engine_for(url, pool_size=1)
        self._heard = heard
        self._look_every = look_every
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._to_send = threading.Event()
        self._closing = threading.Event()
        #: The snapshot of the last check; None before the first.
        self._seen: str | None = None
        self._thread = threading.Thread(target=self._run, name="catalog-notifications", daemon=True)
        self._thread.start()

    def send(self) -> None:
        """Announce a commit of this process. Does not wait for the other processes."""
        if not self._to_send.is_set():
            self._to_send.set()
            self._wake()

    def close(self) -> None:
        """Send what is pending, if that can be done at once, and end."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake()
        self._thread.join()
        self._engine.dispose()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _wake(self) -> None:
        # A full pipe wakes the thread as well.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writer, b".")

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                with contextlib.closing(self._engine.raw_connection()) as connection:
                    driver: Any = connection.driver_connection
                    # The connection is closed at the end of the block, so that nobody else gets a connection that
                    # listens.
                    connection.detach()
                    self._begin(driver)
                    pause = _FIRST_PAUSE
                    self._serve(driver)
            except Exception as error:  # Whatever it is, it must not leave this server deaf.
                if self._closing.is_set():
                    return
                log.warning("Commits of other servers are not heard of until the index answers: %s", error)
            if self._closing.wait(pause):
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _begin(self, driver: Any) -> None:
        driver.autocommit = True
        driver.execute(_PREPARE)
        driver.execute(f"LISTEN {_CHANNEL}")
        # Commits during the time without a connection were not announced.
        self._look(driver)
        if self._to_send.is_set():
            self._wake()

    def _serve(self, driver: Any) -> None:
        own = driver.info.backend_pid
        look_at = time.monotonic() + self._look_every
        # Not `select`, which supports only the first 1,024 descriptors of a process.
        waiting = select.poll()
        waiting.register(driver.fileno(), select.POLLIN)
        waiting.register(self._wake_reader, select.POLLIN)
        while True:
            seconds = max(look_at - time.monotonic(), 0)
            if self._wake_reader in dict(waiting.poll(seconds * 1000)):
                os.read(self._wake_reader, 4096)
            # What was to be sent before the end is noticed below.
            is_last = self._closing.is_set()
            if self._to_send.is_set():
                # Reset before sending: commits from here on belong to the next notification.
                self._to_send.clear()
                self._send(driver)
            if self._has_heard(driver, own):
                self._heard()
            if is_last:
                return
            if time.monotonic() >= look_at:
                self._look(driver)
                look_at = time.monotonic() + self._look_every

    def _send(self, driver: Any) -> None:
        try:
            driver.execute(f"NOTIFY {_CHANNEL}")
        except BaseException:
            self._to_send.set()
            raise
        self._closing.wait(_SPACING)

    def _has_heard(self, driver: Any, own: int) -> bool:
        """Return whether another process has sent a notification. Those of this process were announced here already."""
        return any(notification.pid != own for notification in list(driver.notifies(timeout=0)))

    def _look(self, driver: Any) -> None:
        # The snapshot is taken first, so that a commit in between is found by this check and by the next one.
        (now,) = driver.execute(_SNAPSHOT).fetchone()
        earlier, self._seen = self._seen, now
        if earlier is None or driver.execute(_HAS_GROWN, {"earlier": earlier}).fetchone()[0]:
            self._heard()
