"""Stores of other systems: folders that are read where they are, scans of folders, and what was fetched."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, false, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

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

#: Peers that are followed: their key objects come here by themselves.
followed_peer = Table(
    "followed_peer",
    metadata,
    key(),
    to("peer", "peer.id", nullable=False),
    # 'notes', or 'images': the images that they flag as well, when their study is opened.
    matched("wants"),
    # Whether it is a Kinote, whose change feed is read; and up to where it has been.
    Column("has_feed", Boolean, nullable=False),
    Column("feed_position", Text, nullable=False, server_default=""),
    # Up to where our own feed has been read, for the studies that have come; empty before the first time.
    Column("own_position", Text, nullable=False, server_default=""),
    # When it last answered; and why it does not now, or what of it could not be fetched.
    Column("answered_at", Text, nullable=False, server_default=""),
    Column("problem", Text, nullable=False, server_default=""),
    Column("added_at", Text, nullable=False),
    *actor("added_by"),
    UniqueConstraint("peer", name="followed_peer_by_peer"),
)

#: Studies whose key objects a followed peer is to be asked for, and when.
followed_study = Table(
    "followed_study",
    metadata,
    Column("followed", Key, ForeignKey("followed_peer.id"), primary_key=True),
    Column("study_instance_uid", Matched, primary_key=True),
    matched("due_at"),
    # It is asked for again and again until then: because it has come or was opened, or as nothing was answered.
    matched("until_at"),
    # Somebody has opened it: the images that are flagged are wanted as well.
    Column("is_opened", Boolean, nullable=False, server_default=false()),
    # How often in a row nothing was answered.
    Column("tries", Integer, nullable=False, server_default="0"),
    Index("followed_study_due", "followed", "due_at"),
    sqlite_with_rowid=False,
)
