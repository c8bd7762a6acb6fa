"""How long the cache has room: its content, the arrivals in each hour of the day, and when it is full at that rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import retention_hour, retention_unit
from kinote.catalog.schema.timestamps import timestamp
from kinote.retention.rules.rule import Bounds, BoundsUnit

#: The number of days over which arrivals are measured.
DAYS_MEASURED = 14

#: The most hours of a forecast.
_FARTHEST = 24 * 365


@dataclass(frozen=True, slots=True)
class Volume:
    """The volume of the cache, in bytes. `free` is what images may still use."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The bytes that arrive in each hour of the day (UTC), averaged over the measured days."""

    per_hour: tuple[float, ...]

    def between(self, now: datetime, hours: float) -> float:
        """Return how many bytes arrive within some hours, considering the times of day."""
        arrived, at, left = 0.0, now, hours
        while left > 0:
            part = min(left, 1 - at.minute / 60 - at.second / 3600)
            if part <= 0:
                part = min(left, 1 / 3600)
            arrived += self.per_hour[at.hour] * part
            at += timedelta(hours=part)
            left -= part
        return arrived

    def hours_until(self, now: datetime, room: int) -> float | None:
        """Return in how many hours this much has arrived; None if not within a year."""
        if sum(self.per_hour) * 366 < room:
            return None
        arrived, hours, at = 0.0, 0.0, now
        while hours < _FARTHEST:
            part = max(1 - at.minute / 60 - at.second / 3600, 1 / 3600)
            comes = self.per_hour[at.hour] * part
            if comes and arrived + comes >= room:
                return hours + part * (room - arrived) / comes
            arrived, hours, at = arrived + comes, hours + part, at + timedelta(hours=part)
        return None


def average(hours: Sequence[tuple[str, int]], now: datetime, since: datetime) -> Arrivals:
    """Return the average of what arrived in single hours, given by their beginning, since a moment."""
    days = max((now - since).total_seconds() / 86_400, 1 / 24)
    sums = [0.0] * 24
    for hour, size in hours:
        sums[int(hour[11:13])] += size
    # From less than a day, the other hours of the day are unknown.
    if days < 1:
        return Arrivals((sum(sums) / (days * 24),) * 24)
    return Arrivals(tuple(each / days for each in sums))


def arrivals(connection: Connection, now: datetime) -> Arrivals:
    """Return how much arrives, by what was measured."""
    since = now - timedelta(days=DAYS_MEASURED)
    rows = connection.execute(
        select(retention_hour.c.hour, retention_hour.c.bytes).where(retention_hour.c.hour >= timestamp(since))
    ).all()
    first = min((datetime.fromisoformat(row.hour) for row in rows), default=now)
    return average([(row.hour, row.bytes) for row in rows], now, max(since, first))


def hours_measured(connection: Connection, now: datetime) -> list[Mapping[str, Any]]:
    """Return what arrived in each hour of the last days, the oldest first."""
    since = timestamp(now - timedelta(days=DAYS_MEASURED))
    rows = connection.execute(
        select(retention_hour).where(retention_hour.c.hour >= since).order_by(retention_hour.c.hour)
    )
    return [{"hour": row.hour, "bytes": row.bytes, "objects": row.objects} for row in rows]


def cached_bytes(connection: Connection) -> int:
    """Return how many bytes of live images are in the cache, according to the counts."""
    return int(connection.execute(select(func.coalesce(func.sum(retention_unit.c.bytes), 0))).scalar_one())


def to_free(
    bounds: Bounds | None,
    cached: int,
    volume: Volume,
    expected: Arrivals,
    now: datetime,
    *,
    at_any_use: bool = False,
) -> int:
    """Return how many bytes must be freed to meet the bounds; 0 while it is within them.

    `at_any_use`: down to the further threshold, even if the first is not crossed.
    """
    if bounds is None:
        return 0
    if bounds.unit is BoundsUnit.HOURS:
        needed = [expected.between(now, hours) for hours in (bounds.lower, bounds.upper)]
        if volume.free >= needed[0] and not at_any_use:
            return 0
        return max(0, int(needed[1]) - volume.free)
    used = cached if bounds.unit is BoundsUnit.BYTES else volume.total - volume.free
    whole = 1.0 if bounds.unit is BoundsUnit.BYTES else volume.total / 100
    if used <= bounds.upper * whole and not at_any_use:
        return 0
    return max(0, int(used - bounds.lower * whole))


def impossible(bounds: Bounds | None, volume: Volume, expected: Arrivals, now: datetime) -> str:
    """Return why bounds can never be met on this volume, as a sentence; empty if they can."""
    if bounds is None:
        return ""
    if bounds.unit is BoundsUnit.BYTES and bounds.upper > volume.total:
        return f"The volume has {volume.total} bytes: it is full before the cache has {bounds.upper:.0f}."
    if bounds.unit is BoundsUnit.HOURS and (needed := expected.between(now, bounds.upper)) > volume.total:
        return (
            f"What arrives in {bounds.upper:g} hours takes {needed:.0f} bytes at the measured rate, and the whole "
            f"volume has {volume.total}."
        )
    return ""
