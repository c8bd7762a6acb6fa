"""Checks that the clock of this computer is plausible: what a wrong clock has purged never comes back.

The last time seen is stored in the index, so a restart does not forget it. The clock is in doubt if it is earlier than
that, or has gone ahead by far more than the time that has passed. Then nothing is purged for a period of grace, in
which people can correct it. After that it counts as right. A server that was down for long is treated in the same way.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import Connection

from kinote.catalog.node_turns import NodeTurn, found_turn
from kinote.catalog.schema.timestamps import timestamp
from kinote.holdings.health import Alert

#: The name of the reaper's turn, which stores what was seen.
NAME = "reaper"

#: How far the clock may be off, in either direction. Clocks are corrected by a little, and those of two servers differ
#: by a little.
AHEAD, BACK = timedelta(days=1), timedelta(minutes=5)

#: How long nothing is purged while the clock is in doubt.
GRACE = timedelta(days=1)

_GRACE = "grace seconds"


class ClockCheck:
    """Compares the clock with what was seen last, as stored in a turn. `position` is the time that is believed.
    `ended_at` is the time in doubt, if there is one. `counted` is the seconds of grace that are left.
    """

    def __init__(self, turn: NodeTurn, steady: float) -> None:
        self._turn = turn
        self._at = steady
        self._is_new = True
        self._left = float(turn.counted.get(_GRACE, 0))

    def is_right(self, now: datetime, steady: float) -> bool:
        """Return whether the clock is plausible, and store what it says in the turn."""
        turn = self._turn
        passed, self._at = timedelta(seconds=steady - self._at), steady
        seen = _moment(turn.position)
        if seen is None or _follows(seen, passed, now):
            return self._believe(now)
        doubted = _moment(turn.ended_at)
        self._left -= passed.total_seconds()
        # The length of a downtime is unknown. If the grace began again after each, nothing would ever be purged on a
        # server that runs for a few hours each week.
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
