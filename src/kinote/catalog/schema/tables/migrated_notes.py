"""Notes of other systems: by which key each was imported, and the key objects that wait to be made."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from kinote.catalog.schema.columns import Key, Matched, key, matched, metadata, to

#: What became of a note of another system: it is a note here, or a probable duplicate of one.
MIGRATED_AS = ("note", "duplicate")

migrated_note = Table(
    "migrated_note",
    metadata,
    key(),
    # The system it comes from, and the key that the note has there.
    matched("source"),
    matched("legacy_key"),
    Column("migrated_as", Text, nullable=False),
    CheckConstraint(f"migrated_as IN {MIGRATED_AS}", name="migrated_as_is_known"),
    # The note that was made of it, or of which it is a duplicate.
    to("note", "note.id", nullable=False),
    # A digest of its content as it was imported: the same key with another content is refused.
    Column("fingerprint", Text, nullable=False),
    # The patient it is about, according to its source; empty if that does not say.
    matched("patient_id"),
    matched("issuer_of_patient_id"),
    Column("imported_at", Text, nullable=False),
    UniqueConstraint("legacy_key", "source", name="migrated_note_by_key"),
    Index("migrated_note_by_note", "note"),
    # Lists the duplicates, in the order in which they came.
    Index("migrated_note_by_kind", "migrated_as", "id"),
)

#: Key objects of migrated notes that cannot be made yet: their study, or something of what they refer to, is not here.
#: Their UIDs are fixed. The row is removed in the transaction that makes the key object.
awaited_key_object = Table(
    "awaited_key_object",
    metadata,
    Column("version", Key, ForeignKey("note_version.id"), primary_key=True),
    # Empty if neither the source nor the index says in which study the images lie.
    Column("study_instance_uid", Matched, primary_key=True),
    matched("sop_instance_uid"),
    matched("series_instance_uid"),
    # Why it must not be made, in a sentence, although everything is here.
    Column("refused", Text, nullable=False, server_default=""),
    Index("awaited_key_object_by_study", "study_instance_uid", "version"),
    Index("awaited_key_object_by_uid", "sop_instance_uid"),
    sqlite_with_rowid=False,
)
