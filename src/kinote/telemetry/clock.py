"""The clock: what time it is, for who has to write it down.

`app` takes the system's and hands it on, so that one server keeps one time and a test decides what time it is. How long
something takes is another matter: that is measured with `time.monotonic`, which nobody can set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Gives this moment, in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """This moment, in UTC. For `app`, and for commands without it; everybody else is given a clock."""
    return datetime.now(UTC)


class ToldClock:
    """The clock of another process, carried on: what that has told last, and what has passed since."""

    def __init__(self, now: datetime) -> None:
        self.tell(now)

    def tell(self, now: datetime) -> None:
        """It is so late in the other process."""
        self._told = (now, time.monotonic())

    def __call__(self) -> datetime:
        now, at = self._told
        return now + timedelta(seconds=time.monotonic() - at)
