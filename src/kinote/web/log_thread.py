"""Writing the log in a thread of its own: a terminal or a pipe that takes nothing must not stop the server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

#: Lines that may wait to be written; beyond that they are dropped rather than kept in memory.
_WAITING = 10_000


class LogThread:
    """Calls what it is given, one after the other, in its own thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="request-log", daemon=True)
        self._thread.start()

    def put(self, write: Callable[[], object]) -> None:
        """Never waits."""
        if self._queue.qsize() < _WAITING:
            self._queue.put(write)

    def _write(self) -> None:
        while True:
            self._queue.get()()
