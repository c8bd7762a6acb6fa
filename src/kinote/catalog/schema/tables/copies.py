"""Decisions about copies under one UID, patients that they contradict, and corrections that they propose."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

_WITH_NEW_UID = text("new_sop_instance_uid <> ''")
_BY_WITHDRAWAL = text("withdrawal IS NOT NULL")

#: Proposed corrections that nobody has decided, repeated literally from their index.
UNDECIDED = "decided_at = ''"

#: What was decided about held copies, and objects that were issued again.
copy_decision = Table(
    "copy_decision",
    metadata,
    key(),
    # A `kinote.lifecycle.copies.choices.Choice`.
    Column("choice", Text, nullable=False),
    Column("reason_text", Text, nullable=False),
    *actor("who"),
    Column("made_at", Text, nullable=False),
    Column("instance_count", Integer, nullable=False),
)

#: The objects of a decision. The row of a discarded copy is gone, and its key is never used again.
decided_copy = Table(
    "decided_copy",
    metadata,
    Column("decision", Key, ForeignKey("copy_decision.id"), primary_key=True),
    Column("instance", Key, primary_key=True),
    matched("study_instance_uid"),
    # The UID under which it came, and the one under which it was issued; empty if it kept its UID.
    matched("sop_instance_uid"),
    matched("new_sop_instance_uid"),
    # A `kinote.lifecycle.copies.choices.Way`.
    Column("way", Text, nullable=False),
    # The instance that the UID meant before; NULL if it is not another.
    Column("first", Key),
    # The withdrawal of that instance which the decision made.
    Column("withdrawal", Key),
    # What the row said that may be gone.
    Column("held_reason", Text, nullable=False, server_default=""),
    Column("digest", Text, nullable=False, server_default=""),
    Index("decided_copy_by_uid", "sop_instance_uid"),
    Index(
        "decided_copy_by_new_uid",
        "new_sop_instance_uid",
        sqlite_where=_WITH_NEW_UID,
        postgresql_where=_WITH_NEW_UID,
    ),
    Index(
        "decided_copy_by_withdrawal",
        "withdrawal",
        sqlite_where=_BY_WITHDRAWAL,
        postgresql_where=_BY_WITHDRAWAL,
    ),
    sqlite_with_rowid=False,
)

#: Held copies that name another patient than the study of the first copy. The row goes with the decision.
patient_conflict = Table(
    "patient_conflict",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    # The study of the first copy. That of the held copy is in its row, and may be the same.
    to("study", "study.id", nullable=False),
    to("held_study", "study.id", nullable=False),
    Column("known_patient_id", Text, nullable=False),
    Column("known_issuer", Text, nullable=False),
    Column("said_patient_id", Text, nullable=False),
    Column("said_issuer", Text, nullable=False),
    Index("patient_conflict_by_study", "study"),
    Index("patient_conflict_by_held_study", "held_study"),
)

#: What copies propose that differ from the first ones in attributes of patient, study or order alone: one row for a
#: study, until somebody decides.
proposed_correction = Table(
    "proposed_correction",
    metadata,
    key(),
    matched("study_instance_uid"),
    # JSON: `{keyword: {"known": text, "said": [text, …]}}`.
    Column("differences", Text, nullable=False),
    Column("first_at", Text, nullable=False),
    Column("last_at", Text, nullable=False),
    matched("decided_at"),
    *actor("decided_by"),
    Column("decided_because", Text, nullable=False, server_default=""),
    Index(
        "proposed_correction_open",
        "study_instance_uid",
        unique=True,
        sqlite_where=text(UNDECIDED),
        postgresql_where=text(UNDECIDED),
    ),
)

#: The headers of these copies. Everything else of them is what the first copy has.
proposed_correction_copy = Table(
    "proposed_correction_copy",
    metadata,
    Column("correction", Key, ForeignKey("proposed_correction.id"), primary_key=True),
    Column("sop_instance_uid", Matched, primary_key=True),
    Column("digest", Matched, primary_key=True),
    # DICOM JSON, compressed as that of `instance_metadata`.
    Column("header", LargeBinary, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("received_from", Text, nullable=False),
    *actor("brought_by"),
    Index("proposed_correction_copy_by_uid", "sop_instance_uid"),
    sqlite_with_rowid=False,
)
