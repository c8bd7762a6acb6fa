"""Objects that were offered and not taken."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import key, matched, metadata

_WITH_UID = text("sop_instance_uid <> ''")

#: Refused and aborted arrivals, kept for a set time (`kinote.intake.refusals`). It has no references: most of what was
#: refused has no other row.
refused_arrival = Table(
    "refused_arrival",
    metadata,
    key(),
    matched("happened_at"),
    # How it came: 'DIMSE', 'STOW-RS', 'REST' or 'import'.
    Column("interface", Text, nullable=False),
    # The calling AE title or the name of the program, and its address.
    matched("sender"),
    matched("address"),
    # As far as they could be read.
    matched("sop_instance_uid"),
    matched("sop_class_uid"),
    # 'refused' with the status (PS3.4 B.2.3), or 'aborted' without one.
    Column("kind", Text, nullable=False),
    Column("status", Integer, nullable=False, server_default="0"),
    Column("comment", Text, nullable=False),
    # How many arrivals the row stands for: more than one where a sender has exceeded its number of rows in an hour.
    Column("count", Integer, nullable=False, server_default="1"),
    Index("refused_arrival_by_time", "happened_at", "id"),
    Index("refused_arrival_by_sender", "sender", "happened_at", "id"),
    Index(
        "refused_arrival_by_uid",
        "sop_instance_uid",
        "id",
        sqlite_where=_WITH_UID,
        postgresql_where=_WITH_UID,
    ),
)
