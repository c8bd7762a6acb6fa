"""Retention: holds, which keep bytes from being removed."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, text

from kinote.catalog.schema.columns import Key, actor, key, matched, metadata

#: Holds that nobody has ended, repeated literally from their indexes.
HOLD_IS_OPEN = "ended_at = ''"

_OPEN = text(HOLD_IS_OPEN)

#: Holds on a study, a patient or a note (`kinote.lifecycle.holds`). They name what they keep by what it is called
#: everywhere, so that objects that come later join them.
hold = Table(
    "hold",
    metadata,
    key(),
    # What the journal calls it: an index that is made again may give it another key.
    matched("token"),
    # 'legal', 'research' or 'teaching'.
    matched("kind"),
    # 'study', 'patient' or 'note': which of the following columns names what is kept.
    matched("level"),
    matched("study_instance_uid"),
    matched("patient_id"),
    matched("issuer"),
    # No reference: a hold outlives the note.
    Column("note", Key),
    Column("reason", Text, nullable=False),
    matched("placed_at"),
    *actor("placed_by"),
    # When it ends by itself; empty if never.
    matched("until"),
    # When a person ended it, who and why; empty until then.
    matched("ended_at"),
    *actor("ended_by"),
    Column("ended_because", Text, nullable=False, server_default=""),
    Index("hold_by_token", "token", unique=True),
    Index("hold_of_study", "study_instance_uid", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("hold_of_patient", "patient_id", "issuer", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("hold_of_note", "note", sqlite_where=_OPEN, postgresql_where=_OPEN),
)
