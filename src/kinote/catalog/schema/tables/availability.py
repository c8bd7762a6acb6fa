"""Instance Availability Notifications that are owed (PS3.4 Annex R)."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import Key, Matched, metadata

#: A study of which a destination has to be told. The row goes when it has been told.
owed_availability = Table(
    "owed_availability",
    metadata,
    Column("destination", Key, ForeignKey("destination.id"), primary_key=True),
    Column("study_instance_uid", Matched, primary_key=True),
    # Grows with each change of the study. A notification that was made before the last change settles nothing.
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("changed_at", Text, nullable=False),
    # When it is sent: once the study has been quiet for a while, and at the latest some time after its first change.
    Column("due_at", Matched, nullable=False),
    Column("at_latest", Matched, nullable=False),
    # What the destination said when it refused the notification. It is not sent again until the study changes.
    Column("refusal", Text, nullable=False, server_default=""),
    Index(
        "owed_availability_due",
        "destination",
        "due_at",
        sqlite_where=text("refusal = ''"),
        postgresql_where=text("refusal = ''"),
    ),
)
