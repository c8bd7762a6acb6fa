"""Giving synced files their places, in groups: the directory is synced once for all of a group."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kinote.storage.local import IncomingFile, LocalStorage, StorageError

#: Files that are placed together at most.
GROUP = 200

Then = Callable[[StorageError | None], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    file: IncomingFile
    then: Then


class Placer:
    """The thread that places what has gathered. `close()` finishes what was handed over before."""

    def __init__(self, storage: LocalStorage) -> None:
        self._storage = storage
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._place_groups, name="intake-placer", daemon=True)
        self._thread.start()

    def place(self, file: IncomingFile, then: Then) -> None:
        """Place a file and go on in the placer's thread, with the error if it could not be done."""
        self._queue.put(_Waiting(file, then))

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _place_groups(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            while len(group) < GROUP and not last:
                try:
                    waiting = self._queue.get_nowait()
                except queue.Empty:
                    break
                if waiting is None:
                    last = True
                else:
                    group.append(waiting)
            self._place(group)
            if last:
                return

    def _place(self, group: Sequence[_Waiting]) -> None:
        try:
            self._storage.place([waiting.file for waiting in group])
        except StorageError as error:
            if len(group) == 1:
                group[0].then(error)
                return
            # One file that cannot be placed must not take the others with it (law 5).
            for waiting in group:
                self._place([waiting])
            return
        for waiting in group:
            waiting.then(None)
