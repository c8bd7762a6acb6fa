"""Announces commits of transactions that recorded changes.

Whoever waits for news in the change feed listens here, and does not query the index meanwhile. Listeners are woken,
not informed: they read the feed, and find everything committed until then. Workers of jobs are to be woken in the
same way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

log = logging.getLogger(__name__)

#: The mark that a transaction with changes leaves on its connection.
_HAS_CHANGES = "kinote has changes"


def note_changes(transaction: Connection) -> None:
    """Record that the transaction has written changes, which are announced after its commit."""
    transaction.info[_HAS_CHANGES] = True


def has_changes(transaction: Connection) -> bool:
    """Return whether the transaction, which is about to commit, has written changes, and reset this for the next
    one."""
    return transaction.info.pop(_HAS_CHANGES, False) is True


class Announcements:
    """Calls its listeners after a commit. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[], None]] = {}

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` after each commit with changes, for the duration of the block.

        The calling thread has other work to do, so `wake` must not wait for anything.
        """
        mark = object()
        with self._lock:
            self._listeners[mark] = wake
        try:
            yield
        finally:
            with self._lock:
                del self._listeners[mark]

    def announce(self) -> None:
        """Wake the listeners: something was committed, here or by another server."""
        with self._lock:
            listeners = list(self._listeners.values())
        for wake in listeners:
            try:
                wake()
            except Exception:
                log.exception("Somebody could not be told of a commit")
