"""Stores of other systems: folders that are read where they are, scans of folders, and what was fetched."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata

#: Series of which something is missing, as their index has it.
MISSING = text("here < listed")

#: Folders of other systems whose files stay where they are. The id of their store is `FIRST_IN_PLACE` and the key.
in_place_folder = Table(
    "in_place_folder",
    metadata,
    key(),
    # Absolute. Where the folder has moved to another place, this is the one row to be changed.
    matched("path"),
    Column("added_at", Text, nullable=False),
    *actor("added_by"),
    UniqueConstraint("path", name="in_place_folder_by_path"),
)

#: How far folders have been scanned: one row for each folder and way, which the next scan begins anew.
folder_scan = Table(
    "folder_scan",
    metadata,
    key(),
    matched("folder"),
    Column("in_place", Boolean, nullable=False),
    # 'all', or 'notes': key objects and presentation states only.
    matched("content"),
    # The last file whose outcome is known, relative to the folder; the walk has an order.
    Column("position", Text, nullable=False, server_default=""),
    Column("files", Integer, nullable=False, server_default="0"),
    # Files by what became of them, as a JSON object.
    Column("counts", Text, nullable=False, server_default="{}"),
    Column("begun_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("ended_at", Text),
    # Why it ended before its end; empty otherwise.
    Column("problem", Text, nullable=False, server_default=""),
    UniqueConstraint("folder", "in_place", "content", name="folder_scan_by_folder"),
)

#: What was fetched from other systems: one row for each system and wish, which the next fetch begins anew.
fetch = Table(
    "fetch",
    metadata,
    key(),
    # The name of a peer, or an address.
    matched("source"),
    # 'notes', or 'images': the images that they flag as well.
    matched("wants"),
    # The last study that is done: studies are asked for in the order of their UIDs.
    Column("position", Text, nullable=False, server_default=""),
    Column("studies", Integer, nullable=False, server_default="0"),
    Column("begun_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("problem", Text, nullable=False, server_default=""),
    UniqueConstraint("source", "wants", name="fetch_by_source"),
)

#: Each series that was fetched: what the other system lists of it, and what is here.
fetched_series = Table(
    "fetched_series",
    metadata,
    Column("fetch", Key, ForeignKey("fetch.id"), primary_key=True),
    # The study whose key objects were asked for. What they flag may lie in another.
    Column("of_study", Matched, primary_key=True),
    Column("series_instance_uid", Matched, primary_key=True),
    # 'notes' or 'images'.
    Column("kind", Matched, primary_key=True),
    matched("study_instance_uid"),
    # Instances that the other system lists, or that are flagged; and those of them that are here.
    Column("listed", Integer, nullable=False),
    Column("here", Integer, nullable=False),
    # The UIDs of those that are not here, as a JSON list, the first of them; and why.
    Column("missing", Text, nullable=False, server_default="[]"),
    Column("reason", Text, nullable=False, server_default=""),
    Index(
        "fetched_series_missing",
        "fetch",
        "of_study",
        "series_instance_uid",
        "kind",
        sqlite_where=MISSING,
        postgresql_where=MISSING,
    ),
    sqlite_with_rowid=False,
)
