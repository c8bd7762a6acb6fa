"""Making the data of received files durable, many at a time.

A disk syncs many files in little more than the time of one, and a sender goes on meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kinote.storage.store import Incoming, StorageError

#: Files that are synced at once.
_THREADS = 16

#: Files that may wait for it, each with an open descriptor; senders are held back beyond that.
_WAITING = 64


def sync(file: Incoming) -> StorageError | None:
    """Sync a file in this thread; gives the error if it could not be done."""
    try:
        file.finish()
    except StorageError as error:
        return error
    return None


class Syncers:
    """The threads that sync. `close()` finishes what was handed over before."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="intake-syncer")
        self._room = threading.BoundedSemaphore(_THREADS + _WAITING)

    def sync(self, file: Incoming, then: Callable[[StorageError | None], None]) -> None:
        """Sync a file and go on in that thread, with the error if it could not be done."""
        self._room.acquire()
        self._threads.submit(self._sync, file, then)

    def run(self, work: Callable[[], None]) -> None:
        """Do other work on files in these threads."""
        self._threads.submit(work)

    def wait(self) -> None:
        """Until all files that were handed over are synced; no others may come meanwhile."""
        for _ in range(_THREADS + _WAITING):
            self._room.acquire()

    def close(self) -> None:
        self._threads.shutdown()

    def _sync(self, file: Incoming, then: Callable[[StorageError | None], None]) -> None:
        try:
            then(sync(file))
        finally:
            self._room.release()
