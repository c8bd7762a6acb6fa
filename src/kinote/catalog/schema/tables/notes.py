"""Notes, their versions and references, and the key objects that carry them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from kinote.catalog.schema.columns import Key, Matched, key, matched, metadata, to

ORIGINS = ("authored", "received", "migrated")

note = Table(
    "note",
    metadata,
    key(),
    Column("origin", Text, nullable=False),
    CheckConstraint(f"origin IN {ORIGINS}", name="origin_is_known"),
    Index("note_by_origin", "origin", "id"),
)

note_version = Table(
    "note_version",
    metadata,
    key(),
    to("note", "note.id", nullable=False),
    Column("number", Integer, nullable=False),
    Column("is_current", Boolean, nullable=False),
    matched("title_scheme"),
    matched("title_value"),
    Column("title_meaning", Text, nullable=False),
    Column("title_group", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("author_name", Text, nullable=False),
    matched("author_normal"),
    Column("author_login", Text, nullable=False),
    Column("author_verified", Boolean, nullable=False),
    # When the note was made, according to its document (ISO 8601, with the offset if the document has one).
    Column("created", Text, nullable=False),
    Column("registered_at", Text, nullable=False),
    # A digest of references, title, modifiers, text, author and time: equal for the same note everywhere.
    Column("fingerprint", Text, nullable=False),
    # Where the references were found: 'content', 'image library' or 'evidence'.
    Column("references_from", Text, nullable=False),
    UniqueConstraint("note", "number", name="note_version_by_number"),
    # A note has one current version. The index also lists all of them, the newest note first.
    Index(
        "note_version_current",
        "note",
        unique=True,
        sqlite_where=text("is_current = 1"),
        postgresql_where=text("is_current"),
    ),
    Index("note_version_by_fingerprint", "fingerprint"),
    Index(
        "note_version_by_title",
        "title_value",
        "title_scheme",
        "note",
        sqlite_where=text("is_current = 1"),
        postgresql_where=text("is_current"),
    ),
    Index(
        "note_version_by_author",
        "author_normal",
        "note",
        sqlite_where=text("is_current = 1"),
        postgresql_where=text("is_current"),
    ),
    Index(
        "note_version_by_time",
        "registered_at",
        "note",
        sqlite_where=text("is_current = 1"),
        postgresql_where=text("is_current"),
    ),
)

note_modifier = Table(
    "note_modifier",
    metadata,
    Column("version", Key, ForeignKey("note_version.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("scheme", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("meaning", Text, nullable=False),
    sqlite_with_rowid=False,
)

note_reference = Table(
    "note_reference",
    metadata,
    Column("version", Key, ForeignKey("note_version.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    matched("study_instance_uid"),
    matched("series_instance_uid"),
    matched("sop_class_uid"),
    matched("sop_instance_uid"),
    # Lists of numbers as JSON ("[3,7]"); empty if all frames or segments are meant.
    Column("frames", Text, nullable=False, server_default=""),
    Column("segments", Text, nullable=False, server_default=""),
    matched("presentation_state_uid"),
    Index("note_reference_by_instance", "sop_instance_uid", "version"),
    Index(
        "note_reference_by_state",
        "presentation_state_uid",
        "version",
        sqlite_where=text("presentation_state_uid <> ''"),
        postgresql_where=text("presentation_state_uid <> ''"),
    ),
    sqlite_with_rowid=False,
)

#: The studies of a note version: those of its flagged images, as documents or the index say, and those of its KOS.
note_study = Table(
    "note_study",
    metadata,
    Column("study_instance_uid", Matched, primary_key=True),
    Column("version", Key, ForeignKey("note_version.id"), primary_key=True),
    # Whether the version flags something in that study that does not belong to another patient. It is a cache,
    # updated in the transaction that changes references, places or patients (`kinote.notes.belonging`).
    Column("flags_there", Boolean, nullable=False),
    Index("note_study_by_version", "version"),
    sqlite_with_rowid=False,
)

REGISTRATIONS = ("registered", "registered with findings", "unreadable")

key_object = Table(
    "key_object",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("registration", Text, nullable=False),
    to("version", "note_version.id", nullable=True),
    # The copies in other studies that this document names (PS3.3 C.17.6.2.1), as a JSON list of UIDs.
    Column("identical_documents", Text, nullable=False, server_default="[]"),
    # Of an unreadable KOS: the Study Instance UID of the study that shows a placeholder for it.
    matched("unreadable_in_study"),
    # Of a KOS made here: everything that its bytes depend on besides its note version, as JSON (law 11).
    Column("made_from", Text),
    # The version of the reader that read it (`kinote.keyobject.reader`); 0 if it was not recorded.
    Column("reader_version", Integer, nullable=False, server_default="0"),
    CheckConstraint(f"registration IN {REGISTRATIONS}", name="registration_is_known"),
    CheckConstraint("(registration = 'unreadable') = (version IS NULL)", name="unreadable_flags_nothing"),
    Index("key_object_by_version", "version"),
    # No reader has read what was made here.
    Index(
        "key_object_by_reader",
        "reader_version",
        "instance",
        sqlite_where=text("made_from IS NULL"),
        postgresql_where=text("made_from IS NULL"),
    ),
    Index(
        "key_object_unreadable",
        "unreadable_in_study",
        sqlite_where=text("unreadable_in_study <> ''"),
        postgresql_where=text("unreadable_in_study <> ''"),
    ),
)

#: Referenced Request Sequence of a KOS: the keys of IHE RAD-30.
key_object_request = Table(
    "key_object_request",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    matched("study_instance_uid"),
    matched("accession_number"),
    matched("requested_procedure_id"),
    Index("key_object_request_by_procedure", "requested_procedure_id"),
    Index("key_object_request_by_accession", "accession_number"),
    sqlite_with_rowid=False,
)
