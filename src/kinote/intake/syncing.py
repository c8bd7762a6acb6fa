"""Makes the data of received files durable, many at a time.

A disk syncs many files in little more time than one, and senders continue meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kinote.storage.store import Incoming, StorageError

#: How many files are synced at once.
_THREADS = 16

#: How many files may wait for a sync, each with an open descriptor. Senders beyond that have to wait.
_WAITING = 64


def sync(file: Incoming) -> StorageError | None:
    """Sync a file in this thread, and return the error if there is one."""
    try:
        file.finish()
    except StorageError as error:
        return error
    return None


class Syncers:
    """The threads that sync. `close()` finishes what was submitted before."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="intake-syncer")
        self._room = threading.BoundedSemaphore(_THREADS + _WAITING)

    def sync(self, file: Incoming, then: Callable[[StorageError | None], None]) -> None:
        """Sync a file, and continue in that thread with the error, if there is one."""
        self._room.acquire()
        self._threads.submit(self._sync, file, then)

    def run(self, work: Callable[[], None]) -> None:
        """Run other work on files in these threads."""
        self._threads.submit(work)

    def wait(self) -> None:
        """Wait until all submitted files are synced. No others may be submitted meanwhile."""
        for _ in range(_THREADS + _WAITING):
            self._room.acquire()

    def close(self) -> None:
        self._threads.shutdown()

    def _sync(self, file: Incoming, then: Callable[[StorageError | None], None]) -> None:
        try:
            then(sync(file))
        finally:
            self._room.release()
