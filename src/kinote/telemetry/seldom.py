"""Things that may happen very often, and are to be told seldom: a flood must not fill the log."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable


class Seldom:
    """Tells each kind of thing once in so many seconds, and how often it has happened since. For all threads."""

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[Hashable, float] = {}
        self._untold: Counter[Hashable] = Counter()

    def happened(self, kind: Hashable) -> int | None:
        """Return how often it has happened since the last report, now included; None if it is not to be reported.

        Kinds must be few.
        """
        with self._lock:
            now = self._clock()
            self._untold[kind] += 1
            told = self._told.get(kind)
            if told is not None and now - told < self._seconds:
                return None
            self._told[kind] = now
            return self._untold.pop(kind)
