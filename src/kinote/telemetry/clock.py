"""The clock: the current time, for whoever has to record it.

`app` passes on the system clock, so that a server has one time, and a test can set the time. Durations are
something else: they are measured with `time.monotonic`, which nobody can set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Returns the current moment in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the current moment in UTC. For `app`, and for commands without it; all others are given a clock."""
    return datetime.now(UTC)


class ToldClock:
    """A copy of another process's clock: the last time it has told, plus the time passed since."""

    def __init__(self, now: datetime) -> None:
        self.tell(now)

    def tell(self, now: datetime) -> None:
        """Set the time of the other process."""
        self._told = (now, time.monotonic())

    def __call__(self) -> datetime:
        now, at = self._told
        return now + timedelta(seconds=time.monotonic() - at)
