"""Writes the log in its own thread, so that a blocked terminal or pipe cannot stop the server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

#: The most lines that wait to be written. Further ones are dropped.
_WAITING = 10_000


class LogThread:
    """Calls functions one after another, in its own thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="request-log", daemon=True)
        self._thread.start()

    def put(self, write: Callable[[], object]) -> None:
        """Schedule a call. Never waits."""
        if self._queue.qsize() < _WAITING:
            self._queue.put(write)

    def _write(self) -> None:
        while True:
            self._queue.get()()
