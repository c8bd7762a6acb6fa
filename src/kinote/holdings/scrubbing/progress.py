"""The progress of the slow scrub, from the index, so that every server reports the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kinote.catalog.scrub_passes import last_end, last_pass

#: A pass that takes longer than this many times the set time is reported.
_PATIENCE = 2


@dataclass(frozen=True, slots=True)
class ScrubProgress:
    """The part of the current pass that has been read (1 if there is no pass), and when the last pass was completed.

    `behind_since` is the start of the current pass if, at its speed, it will take more than twice the set time.
    """

    fraction: float = 0.0
    ended_at: datetime | None = None
    behind_since: datetime | None = None


def scrub_progress(connection: Connection, within: timedelta, now: datetime) -> ScrubProgress:
    """Return the progress. `within` is the set time for a pass."""
    current = last_pass(connection)
    ended = last_end(connection)
    ended_at = datetime.fromisoformat(ended) if ended else None
    if current is None:
        return ScrubProgress()
    if current.ended_at is not None:
        return ScrubProgress(1.0, ended_at)
    fraction = current.position / current.last_key
    begun = datetime.fromisoformat(current.begun_at)
    # Only once the set time is over: until then it may still catch up.
    is_behind = now - begun > within and now - begun > fraction * _PATIENCE * within
    return ScrubProgress(fraction, ended_at, begun if is_behind else None)
