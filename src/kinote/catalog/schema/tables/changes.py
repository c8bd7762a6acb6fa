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
    # The writing transaction (PostgreSQL): a reader stops before the oldest one still open.
    Column("transaction", BigInteger, nullable=False, server_default="0"),
    # Of SQLite's writers, who come one by one, the sequence by itself is the order.
    Index(
        "change_in_order",
        "transaction",
        "sequence",
        sqlite_where=text('"transaction" <> 0'),
    ),
)

#: Requests of clients that were carried out under a key of theirs, with what was answered, for some days
#: (`kinote.catalog.answered_requests`).
answered_request = Table(
    "answered_request",
    metadata,
    key(),
    # Who asked (`Actor.identity`); empty in rows of earlier versions. Keys of different actors are different keys.
    matched("actor"),
    Column("key", Matched, nullable=False),
    # Of everything that was asked for, SHA-256 in hex: tells the request again from another one.
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    # Header fields of the answer as a JSON object.
    Column("headers", Text, nullable=False),
    # zlib-compressed.
    Column("body", LargeBinary, nullable=False),
    Column("answered_at", Text, nullable=False),
    UniqueConstraint("actor", "key", name="answered_request_by_key"),
    Index("answered_request_by_time", "answered_at"),
)
