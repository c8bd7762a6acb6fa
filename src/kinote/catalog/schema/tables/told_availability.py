"""What peers say of the availability of instances (PS3.4 Annex R)."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from kinote.catalog.schema.columns import Key, Matched, metadata

#: The last that a peer has said of an instance, by Instance Availability Notification (PS3.4 Annex R). It is no
#: evidence that the peer keeps the instance: `location` has that.
told_availability = Table(
    "told_availability",
    metadata,
    # A UID and not a key: peers also tell of instances that are not here.
    Column("sop_instance_uid", Matched, primary_key=True),
    Column("peer", Key, primary_key=True),
    Column("study_instance_uid", Matched, nullable=False),
    # Instance Availability (0008,0056), and from which AE title it can be retrieved.
    Column("availability", Matched, nullable=False),
    Column("retrieve_ae_title", Matched, nullable=False),
    Column("told_at", Text, nullable=False),
    Index("told_availability_by_study", "study_instance_uid", "peer"),
    sqlite_with_rowid=False,
)
