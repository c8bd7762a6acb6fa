"""How far the slow scrub has come, as the index says: every server says the same of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog.scrub_passes import last_end, last_pass

#: How many times the set time a pass may take before somebody is told.
_PATIENCE = 2


@dataclass(frozen=True, slots=True)
class ScrubProgress:
    """What part of the pass under way has been read, 1 where none is; when the last whole pass ended.

    `behind_since` is when the pass under way was begun, if it will take more than twice the set time at its rate.
    """

    fraction: float = 0.0
    ended_at: datetime | None = None
    behind_since: datetime | None = None


def scrub_progress(connection: Connection, within: timedelta, now: datetime) -> ScrubProgress:
    """How far it has come; `within` is the time that is set for a pass."""
    current = last_pass(connection)
    ended = last_end(connection)
    ended_at = datetime.fromisoformat(ended) if ended else None
    if current is None:
        return ScrubProgress()
    if current.ended_at is not None:
        return ScrubProgress(1.0, ended_at)
    fraction = current.position / current.last_key
    begun = datetime.fromisoformat(current.begun_at)
    # Not before the set time is over: until then it may still catch up.
    is_behind = now - begun > within and now - begun > fraction * _PATIENCE * within
    return ScrubProgress(fraction, ended_at, begun if is_behind else None)
