"""What the rest of the house is told once a transaction has committed that recorded changes.

Whoever waits for news of the change feed listens here, and asks the index for nothing meanwhile. What listens is
woken, not informed: it reads the feed, and finds what has been committed until then. Workers of jobs are to be
woken in the same way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

log = logging.getLogger(__name__)

#: The mark that a transaction with changes leaves at its connection.
_HAS_CHANGES = "kinote has changes"


def note_changes(transaction: Connection) -> None:
    """The transaction has recorded changes: they are announced when it has committed."""
    transaction.info[_HAS_CHANGES] = True


def has_changes(transaction: Connection) -> bool:
    """Whether the transaction, which is about to commit, has recorded changes. The next one begins without."""
    return transaction.info.pop(_HAS_CHANGES, False) is True


class Announcements:
    """Calls its listeners after a commit. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[], None]] = {}

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called after each commit that brought changes, for as long as the block lasts.

        A thread calls it that has other things to do: it must not wait for anything.
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
        """Something was committed, here or by another server."""
        with self._lock:
            listeners = list(self._listeners.values())
        for wake in listeners:
            try:
                wake()
            except Exception:
                log.exception("Somebody could not be told of a commit")
