"""The clock, which returns the current time for records.

`app` passes the system clock to all packages, so that a server has a single clock and a test can set the time.
Durations are measured with `time.monotonic` instead, which cannot be set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Returns the current time in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the current time in UTC. Only `app`, and commands that run without it, call this."""
    return datetime.now(UTC)


class ToldClock:
    """A copy of another process's clock: the last time received from it, plus the time passed since then."""

    def __init__(self, now: datetime) -> None:
        self.tell(now)

    def tell(self, now: datetime) -> None:
        """Set the clock to the time of the other process."""
        self._told = (now, time.monotonic())

    def __call__(self) -> datetime:
        now, at = self._told
        return now + timedelta(seconds=time.monotonic() - at)
