"""Other systems. Only the tables exist yet; sign-in of systems, delivery and archiving will use them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, UniqueConstraint

from kinote.catalog.schema.columns import Key, Matched, key, metadata, to

#: Other systems that we know, managed by people. For sign-in of systems and for delivery, to come.
peer = Table(
    "peer",
    metadata,
    key(),
    Column("name", Matched, nullable=False),
    # The identities with which it calls, and what it may do: JSON lists of words.
    Column("ae_titles", Text, nullable=False, server_default="[]"),
    Column("rights", Text, nullable=False, server_default="[]"),
    UniqueConstraint("name", name="peer_by_name"),
)

#: Where a peer can be reached. For delivery, to come.
endpoint = Table(
    "endpoint",
    metadata,
    key(),
    to("peer", "peer.id", nullable=False),
    # 'dimse', 'dicomweb', 'mllp' or 'folder', with an address in its form: `AE@host:port`, a URL, `host:port`, a
    # path.
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    UniqueConstraint("peer", "kind", "address", name="endpoint_of_peer"),
)

#: Where objects are sent, under a name that people choose. For delivery, to come.
destination = Table(
    "destination",
    metadata,
    key(),
    Column("name", Matched, nullable=False),
    to("endpoint", "endpoint.id", nullable=False),
    # What is sent there and how, as a JSON object.
    Column("policy", Text, nullable=False, server_default="{}"),
    UniqueConstraint("name", name="destination_by_name"),
)

#: Evidence that an archive holds an instance (law 9), the strongest of each archive. For archiving, to come.
location = Table(
    "location",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("archive", Key, ForeignKey("peer.id"), primary_key=True),
    # 'acknowledged', 'found' or 'committed'; only the last allows eviction.
    Column("evidence", Text, nullable=False),
    Column("at", Text, nullable=False),
    Index("location_by_archive", "archive", "instance"),
    sqlite_with_rowid=False,
)
