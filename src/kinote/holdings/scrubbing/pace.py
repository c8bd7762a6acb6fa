"""The speed of the slow scrub: everything within a set time, but slowly enough that others do not notice it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.sql import statements

#: Bytes that are read before the next pause.
SLICE = 4 * 1024 * 1024

#: The least and greatest speed in bytes per second. A small store is soon complete. The greatest is about a tenth of
#: what a slow disk gives.
LEAST, MOST = 256 * 1024, 16 * 1024 * 1024

#: The cost of opening an object, as the number of bytes that could be read in that time.
OPENING = 16 * 1024

#: A pause takes at least this many times as long as the read before it: reads are slow when others use the disk.
_PAUSES = 3

#: The part of the set time in which a pass should be complete, since servers are sometimes stopped.
_AIM = 0.9

#: Seconds that one object may take. An object is started again if the server is stopped while reading it.
_ONE_OBJECT = 600

#: The number of instances sampled to estimate how much is left.
_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a pass that began at this time."""

    begun: datetime
    within: timedelta

    def rate(self, left: int, now: datetime) -> float:
        """Return the speed in bytes per second, with this many bytes left."""
        seconds = (self.begun + _AIM * self.within - now).total_seconds()
        return MOST if seconds <= 0 else min(MOST, max(LEAST, left / seconds))

    def pause(self, read: int, seconds: float, left: int, now: datetime, *, of_size: int = 0) -> float:
        """Return the seconds to wait after reading so many bytes in so many seconds. `of_size` is the size of the
        object.
        """
        rate = max(self.rate(left, now), min(of_size / _ONE_OBJECT, MOST))
        return max(read / rate - seconds, _PAUSES * seconds)


def bytes_left(connection: Connection, position: int, last_key: int) -> int:
    """Return how many bytes are left to read after a key, estimated from samples if there are many instances."""
    step = max(1, (last_key - position) // _SAMPLES)
    rows = _SIZES(connection, range(position + 1, last_key + 1, step))
    return step * sum(int(row.size) + OPENING for row in rows)


_SIZES = statements.LookUp(
    select(instance.c.id, func.coalesce(instance.c.size, 0).label("size")).where(
        instance.c.residence == "local"
    ),
    instance.c.id,
)
