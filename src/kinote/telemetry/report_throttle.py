"""Throttling of log messages about events that may be very frequent, so that a flood does not fill the log."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable


class ReportThrottle:
    """Allows one report of each kind of event per interval, and counts the events in between. Safe for all threads.

    `seconds` is the interval; `clock` is a monotonic clock in seconds.
    """

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._reported_at: dict[Hashable, float] = {}
        self._unreported: Counter[Hashable] = Counter()

    def happened(self, kind: Hashable) -> int | None:
        """Count an event. Returns the number of events since the last report if a report is due, else None.

        The number includes this event. There must be only a few kinds.
        """
        with self._lock:
            now = self._clock()
            self._unreported[kind] += 1
            reported_at = self._reported_at.get(kind)
            if reported_at is not None and now - reported_at < self._seconds:
                return None
            self._reported_at[kind] = now
            return self._unreported.pop(kind)
