"""The index itself, and the server processes on it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from kinote.catalog.schema.columns import Key, Matched, key, metadata

#: Facts about the index itself, e.g. up to when start-up recovery has swept the storage, and keys that are gone.
house = Table(
    "house",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

#: A row of its own for each transaction on PostgreSQL, kept until the next one of the same writer (`commits`).
commit_mark = Table(
    "commit_mark",
    metadata,
    Column("token", Matched, primary_key=True),
    Column("left_at", Text, nullable=False),
)

#: Server processes. Each writes about itself, by the clock of the database (`nodes`).
node = Table(
    "node",
    metadata,
    # Drawn anew at each start.
    Column("id", Matched, primary_key=True),
    Column("host", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("heartbeat_at", Text, nullable=False),
)

#: The passes of the slow scrub, one at a time, whichever node does it (`kinote.catalog.scrub_passes`).
scrub_pass = Table(
    "scrub_pass",
    metadata,
    key(),
    Column("begun_at", Text, nullable=False),
    Column("ended_at", Text),
    # Who is at it; empty if nobody is.
    Column("node", Matched, nullable=False, server_default=""),
    # Keys of instances: the last one there was at the beginning, and the last one that has been read.
    Column("last_key", Key, nullable=False),
    Column("position", Key, nullable=False, server_default="0"),
    # What it has read and found so far.
    Column("objects", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("damaged", BigInteger, nullable=False, server_default="0"),
    Column("unreadable", BigInteger, nullable=False, server_default="0"),
    Column("renewed", BigInteger, nullable=False, server_default="0"),
)
