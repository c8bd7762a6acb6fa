"""Whether the clock of this computer can be believed: what is purged because of a wrong clock never comes back.

The last moment seen stays in the index, so that a restart does not forget it. A clock that is earlier, or that has gone
ahead of it by far more than the time that has passed, is in doubt: nothing is purged for a time of grace, which people
have to put it right. After that it counts as right. A server that was down for long looks the same, and waits as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Connection

from kinote.catalog.node_turns import NodeTurn, found_turn
from kinote.catalog.schema.timestamps import timestamp
from kinote.holdings.health import Alert

#: The name of the reaper's turn, which has what was seen.
NAME = "reaper"

#: How far the clock may go ahead of the time that has passed, and back: clocks are corrected by a little, and those of
#: two servers differ by a little.
AHEAD, BACK = timedelta(days=1), timedelta(minutes=5)

#: For how long nothing is purged while it is in doubt.
GRACE = timedelta(days=1)

_GRACE = "grace seconds"


class ClockCheck:
    """Compares the clock with what was seen last, as far as a turn knows it: `position` has the moment that is
    believed, `ended_at` the one that is in doubt, if one is, and `counted` the seconds of grace that are left."""

    def __init__(self, turn: NodeTurn, steady: float) -> None:
        self._turn = turn
        self._at = steady
        self._is_new = True
        self._left = float(turn.counted.get(_GRACE, 0))

    def is_right(self, now: datetime, steady: float) -> bool:
        """Return whether the clock can be believed, and remember what it says in the turn."""
        turn = self._turn
        passed, self._at = timedelta(seconds=steady - self._at), steady
        seen = _moment(turn.position)
        if seen is None or _follows(seen, passed, now):
            return self._believe(now)
        doubted = _moment(turn.ended_at)
        self._left -= passed.total_seconds()
        # How long the server was down is not known. Were the grace to begin anew then, nothing would ever be purged
        # where it runs for some hours each week.
        goes_on = doubted is not None and (self._is_new or _follows(doubted, passed, now))
        self._is_new = False
        if not goes_on:
            self._left = GRACE.total_seconds()
        elif self._left <= 0:
            return self._believe(now)
        turn.position, turn.ended_at = timestamp(seen + passed), timestamp(now)
        turn.counted = {_GRACE: ceil(self._left)}
        return False

    def _believe(self, now: datetime) -> bool:
        self._is_new, self._left = False, 0.0
        self._turn.position, self._turn.ended_at, self._turn.counted = timestamp(now), "", {}
        return True


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _follows(seen: datetime, passed: timedelta, now: datetime) -> bool:
    return seen - BACK <= now <= seen + passed + AHEAD


def clock_alerts(connection: Connection) -> list[Alert]:
    """Return the alert that the clock is in doubt, if it is."""
    turn = found_turn(connection, NAME)
    if turn is None or not turn.counted.get(_GRACE):
        return []
    return [
        Alert(
            "CLOCK_IN_DOUBT",
            f"The clock of the server says {turn.ended_at[:16]}, where {turn.position[:16]} was expected (UTC). "
            "Nothing is purged for a day, so that a wrong clock can be put right. If it is right, as after a long "
            "stop, nothing has to be done.",
        )
    ]
