"""Other systems that we know: peers, where each is reached, where objects are sent, and what archives hold.

Peers, endpoints and destinations are never deleted, since history names them: they end.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, text, true

from kinote.catalog.schema.columns import Key, Matched, key, metadata, to

#: What partial indexes are of. Queries say it in the same words.
_IN_USE = text("ended_at IS NULL")

#: Other systems that we know, managed by people or by the settings.
peer = Table(
    "peer",
    metadata,
    key(),
    Column("name", Matched, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    # A disabled one is neither admitted nor called.
    Column("is_enabled", Boolean, nullable=False, server_default=true()),
    # JSON lists: by which AE titles and from which hosts it calls, which services it may ask for, which rights it has.
    Column("ae_titles", Text, nullable=False, server_default="[]"),
    Column("hosts", Text, nullable=False, server_default="[]"),
    Column("services", Text, nullable=False, server_default="[]"),
    Column("rights", Text, nullable=False, server_default="[]"),
    # 'people' or 'settings': who manages the row.
    Column("origin", Text, nullable=False, server_default="people"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("added_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("ended_at", Text),
    # A JSON list: the certificates of which it shows one; empty if none is asked for.
    Column("certificates", Text, nullable=False, server_default="[]"),
    Index("peer_by_name", "name", unique=True, sqlite_where=_IN_USE, postgresql_where=_IN_USE),
)

#: Where a peer can be reached.
endpoint = Table(
    "endpoint",
    metadata,
    key(),
    to("peer", "peer.id", nullable=False),
    # 'dimse', 'dicomweb', 'mllp' or 'folder', with an address in its form: `AE@host:port`, a URL, `host:port`, a
    # path.
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    # The parts of the address and how it is called, as a JSON object.
    Column("details", Text, nullable=False, server_default="{}"),
    Column("ended_at", Text),
    Index(
        "endpoint_of_peer",
        "peer",
        "kind",
        "address",
        unique=True,
        sqlite_where=_IN_USE,
        postgresql_where=_IN_USE,
    ),
    Index("endpoint_by_peer", "peer"),
)

#: Where objects are sent, under a name that people choose.
destination = Table(
    "destination",
    metadata,
    key(),
    Column("name", Matched, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("is_enabled", Boolean, nullable=False, server_default=true()),
    to("endpoint", "endpoint.id", nullable=False),
    # What is sent there and how, as a JSON object.
    Column("policy", Text, nullable=False, server_default="{}"),
    Column("origin", Text, nullable=False, server_default="people"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("added_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("ended_at", Text),
    Index("destination_by_name", "name", unique=True, sqlite_where=_IN_USE, postgresql_where=_IN_USE),
    Index("destination_by_endpoint", "endpoint"),
)

#: Which peers and destinations the settings of each server process name (`node.id`).
settings_row = Table(
    "settings_row",
    metadata,
    Column("node", Matched, primary_key=True),
    # The table, 'peer', 'destination' or 'route', and the key of its row.
    Column("kind", Matched, primary_key=True),
    Column("row", Key, primary_key=True),
    sqlite_with_rowid=False,
)

#: Evidence that an archive holds an instance (law 9), the strongest of each archive.
location = Table(
    "location",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("archive", Key, ForeignKey("peer.id"), primary_key=True),
    # 'acknowledged', 'found' or 'committed'; only the last allows eviction.
    Column("evidence", Text, nullable=False),
    Column("at", Text, nullable=False),
    # The digest of the bytes that the archive has acknowledged; '' if they were not those of the instance.
    Column("digest", Text, nullable=False, server_default=""),
    Index("location_by_archive", "archive", "instance"),
    Index("location_by_age", "archive", "evidence", "at"),
    sqlite_with_rowid=False,
)
