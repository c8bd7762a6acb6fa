"""Facts about the index itself, and the server processes that use it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from kinote.catalog.schema.columns import Key, Matched, key, metadata

#: Facts about the index itself, e.g. up to when recovery has swept the storage, and the keys of deleted rows.
index_fact = Table(
    "house",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

#: On PostgreSQL each transaction has a row of its own, until the next one of the same writer (`commits`).
commit_mark = Table(
    "commit_mark",
    metadata,
    Column("token", Matched, primary_key=True),
    Column("left_at", Text, nullable=False),
)

#: Server processes. Each writes its own row, by the clock of the database (`nodes`).
node = Table(
    "node",
    metadata,
    # A new random id for each start.
    Column("id", Matched, primary_key=True),
    Column("host", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("heartbeat_at", Text, nullable=False),
)

#: The passes of the slow scrub, one at a time, by whichever node (`kinote.catalog.scrub_passes`).
scrub_pass = Table(
    "scrub_pass",
    metadata,
    key(),
    Column("begun_at", Text, nullable=False),
    Column("ended_at", Text),
    # The node that does it; empty if none does.
    Column("node", Matched, nullable=False, server_default=""),
    # Keys of instances: the last one when the pass began, and the last one that has been read.
    Column("last_key", Key, nullable=False),
    Column("position", Key, nullable=False, server_default="0"),
    # What the pass has read and found so far.
    Column("objects", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("damaged", BigInteger, nullable=False, server_default="0"),
    Column("unreadable", BigInteger, nullable=False, server_default="0"),
    Column("renewed", BigInteger, nullable=False, server_default="0"),
)

#: Work in the background that one node at a time does: which one, and how far it has come
#: (`kinote.catalog.node_turns`).
node_turn = Table(
    "node_turn",
    metadata,
    Column("name", Matched, primary_key=True),
    # Empty if none does it.
    Column("node", Matched, nullable=False, server_default=""),
    # Where the work goes on, and what it has counted so far, as JSON.
    Column("position", Text, nullable=False, server_default=""),
    Column("counted", Text, nullable=False, server_default="{}"),
    Column("begun_at", Text, nullable=False, server_default=""),
    # When the last complete round ended.
    Column("ended_at", Text, nullable=False, server_default=""),
)
