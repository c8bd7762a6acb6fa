"""What was purged, and what could not be."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import Key, Matched, metadata

_DONE, _FAILED = text("purged_at <> ''"), text("purged_at = ''")

#: A row for each tombstone, and for each instance that could not be purged yet (`kinote.lifecycle.purging`). The
#: tombstone itself is the row of `instance`, which keeps UIDs, digest and size.
purge = Table(
    "purge",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    # The withdrawal because of which it was purged, the one whose time ended last.
    Column("withdrawal", Key),
    # When the tombstone was made, and when the bytes had been removed; empty until then.
    Column("purged_at", Matched, nullable=False, server_default=""),
    Column("removed_at", Matched, nullable=False, server_default=""),
    # How often it has failed, why it did the last time, and when it is tried again.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("retry_at", Matched, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Index("purge_by_time", "purged_at", "instance", sqlite_where=_DONE, postgresql_where=_DONE),
    Index("purge_failed", "instance", sqlite_where=_FAILED, postgresql_where=_FAILED),
)
