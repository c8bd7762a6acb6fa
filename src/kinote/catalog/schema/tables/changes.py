"""The change feed, and requests that were carried out under a key."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from kinote.catalog.schema.columns import Key, Matched, key, matched, metadata

change = Table(
    "change",
    metadata,
    key("sequence"),
    Column("kind", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False, server_default=""),
    Column("sop_instance_uid", Text, nullable=False, server_default=""),
    Column("note", Key),
    Column("made_at", Text, nullable=False),
    # The transaction that wrote it (PostgreSQL): a reader stops before the oldest open one.
    Column("transaction", BigInteger, nullable=False, server_default="0"),
    # On SQLite writers come one at a time, so the sequence alone is the order.
    Index(
        "change_in_order",
        "transaction",
        "sequence",
        sqlite_where=text('"transaction" <> 0'),
    ),
)

#: Requests that were carried out under a client's key, with their answers, for some days
#: (`kinote.catalog.answered_requests`).
answered_request = Table(
    "answered_request",
    metadata,
    key(),
    # The actor (`Actor.identity`); empty in rows of earlier versions. Equal keys of different actors are different
    # keys.
    matched("actor"),
    Column("key", Matched, nullable=False),
    # SHA-256 in hex of the whole request. It distinguishes a repetition from another request.
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    # Header fields of the answer as a JSON object.
    Column("headers", Text, nullable=False),
    # Compressed with zlib.
    Column("body", LargeBinary, nullable=False),
    Column("answered_at", Text, nullable=False),
    UniqueConstraint("actor", "key", name="answered_request_by_key"),
    Index("answered_request_by_time", "answered_at"),
)
