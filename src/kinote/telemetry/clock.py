"""The clock: what time it is, for who has to write it down.

`app` takes the system's and hands it on, so that one server keeps one time and a test decides what time it is. How long
something takes is another matter: that is measured with `time.monotonic`, which nobody can set.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

#: Gives this moment, in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """This moment, in UTC. For `app`, and for commands without it; everybody else is given a clock."""
    return datetime.now(UTC)
