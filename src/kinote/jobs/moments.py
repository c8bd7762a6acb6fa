"""What time it is for jobs: by the clock of the database that all servers share, or else by that of `app`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.sql import dialects
from kinote.telemetry.clock import Clock

_SERVER_MOMENT = select(dialects.server_moment())


def moment_of(connection: Connection, clock: Clock) -> datetime:
    """Now. On PostgreSQL it is when the transaction began."""
    if dialects.has_several_writers(connection):
        return datetime.fromisoformat(connection.execute(_SERVER_MOMENT).scalar_one())
    return clock()
