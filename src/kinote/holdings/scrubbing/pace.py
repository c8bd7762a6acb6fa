"""How fast the slow scrub reads: everything within a set time, and never so much that others notice it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.sql import statements

#: Bytes that are read at once, before the next pause.
SLICE = 4 * 1024 * 1024

#: Bytes per second: at least, so that what is small is soon through; and at most, some tenth of what a slow disk gives.
LEAST, MOST = 256 * 1024, 16 * 1024 * 1024

#: What an object counts beside its bytes: to open it costs as much as to read so many.
OPENING = 16 * 1024

#: How many times longer than it has read it pauses at least: reading takes long where the disk is busy with others.
_PAUSES = 3

#: The part of the set time in which a pass is to be through: servers are stopped, too.
_AIM = 0.9

#: Seconds that one object may take: it is begun anew where the server is stopped in between.
_ONE_OBJECT = 600

#: Instances by which it is estimated how much there is to be read.
_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a pass that was begun then."""

    begun: datetime
    within: timedelta

    def rate(self, left: int, now: datetime) -> float:
        """Bytes per second, with so many bytes left."""
        seconds = (self.begun + _AIM * self.within - now).total_seconds()
        return MOST if seconds <= 0 else min(MOST, max(LEAST, left / seconds))

    def pause(self, read: int, seconds: float, left: int, now: datetime, *, of_size: int = 0) -> float:
        """Seconds to wait after so many bytes that took so many seconds; `of_size` is that of the object."""
        rate = max(self.rate(left, now), min(of_size / _ONE_OBJECT, MOST))
        return max(read / rate - seconds, _PAUSES * seconds)


def bytes_left(connection: Connection, position: int, last_key: int) -> int:
    """How many bytes there are to be read after a key; where there are many instances, by samples of them."""
    step = max(1, (last_key - position) // _SAMPLES)
    rows = _SIZES(connection, range(position + 1, last_key + 1, step))
    return step * sum(int(row.size) + OPENING for row in rows)


_SIZES = statements.LookUp(
    select(instance.c.id, func.coalesce(instance.c.size, 0).label("size")).where(
        instance.c.residence == "local"
    ),
    instance.c.id,
)
