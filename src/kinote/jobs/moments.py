"""The current time for jobs: that of the database if several servers share it, else that of the clock of `app`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.sql import dialects
from kinote.telemetry.clock import Clock

_SERVER_MOMENT = select(dialects.server_moment())


def moment_of(connection: Connection, clock: Clock) -> datetime:
    """Return the current time in UTC. On PostgreSQL it is the start of the transaction."""
    if dialects.has_several_writers(connection):
        return datetime.fromisoformat(connection.execute(_SERVER_MOMENT).scalar_one())
    return clock()
