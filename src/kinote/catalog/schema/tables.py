"""Every table of the index.

Integer keys inside, UIDs unique beside them. Text columns that queries match against hold values
normalised at intake (`kinote.catalog.columns.normal`), compared bytewise. Dates are `YYYYMMDD`, times
`HHMMSS.ffffff`, moments (`*_at`) ISO 8601 in UTC; an absent value of a matched column is the empty
string, so that universal and empty matching need no NULL rules.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
    true,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

#: SQLite gives only `INTEGER PRIMARY KEY` the speed of the row id.
_Key: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

#: Bytewise comparison on both databases: SQLite's default, PostgreSQL's collation "C".
_Matched: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")


def _key(name: str = "id") -> Column[int]:
    return Column(name, _Key, primary_key=True)


def _to(name: str, target: str, **options: object) -> Column[int]:
    return Column(name, _Key, ForeignKey(target), **options)  # type: ignore[arg-type]


def _matched(name: str) -> Column[str]:
    return Column(name, _Matched, nullable=False, server_default="")


def _person_name(name: str) -> list[Column[str]]:
    """The three component groups of a PN (PS3.5 6.2.1), each matched by itself."""
    return [_matched(f"{name}_{group}") for group in ("alphabetic", "ideographic", "phonetic")]


patient = Table(
    "patient",
    metadata,
    _key(),
    _matched("patient_id"),
    _matched("issuer"),
    _to("merged_into", "patient.id", nullable=True),
    # A patient without an ID is known only by its study, so several may stand beside each other.
    Index(
        "patient_by_id",
        "patient_id",
        "issuer",
        unique=True,
        sqlite_where=text("patient_id <> ''"),
        postgresql_where=text("patient_id <> ''"),
    ),
)

study = Table(
    "study",
    metadata,
    _key(),
    _matched("study_instance_uid"),
    _to("patient", "patient.id", nullable=False),
    _matched("patient_id"),
    _matched("issuer_of_patient_id"),
    *_person_name("patient_name"),
    _matched("patient_birth_date"),
    _matched("patient_sex"),
    _matched("study_date"),
    _matched("study_time"),
    # Of date and time, as they were received: `+0100`; empty where it is not known.
    _matched("timezone_offset"),
    _matched("study_id"),
    _matched("accession_number"),
    _matched("study_description"),
    *_person_name("referring_physician_name"),
    # Patient and study attributes as DICOM JSON (PS3.18 F), without counts: the answer of QIDO-RS.
    Column("attributes", Text, nullable=False),
    # Caches of the live view, changed in the transaction that changes it (law 1).
    Column("series_count", Integer, nullable=False, server_default="0"),
    Column("instance_count", Integer, nullable=False, server_default="0"),
    Column("received_at", Text, nullable=False),
    UniqueConstraint("study_instance_uid", name="study_by_uid"),
    # Each index ends in what the answers are ordered by: newest study first.
    Index("study_by_date", "study_date", "id"),
    Index("study_by_patient", "patient"),
    Index(
        "study_by_timezone",
        "timezone_offset",
        sqlite_where=text("timezone_offset <> ''"),
        postgresql_where=text("timezone_offset <> ''"),
    ),
    Index("study_by_patient_id", "patient_id", "study_date", "id"),
    Index("study_by_accession", "accession_number", "study_date", "id"),
    Index("study_by_patient_name", "patient_name_alphabetic", "study_date", "id"),
)

series = Table(
    "series",
    metadata,
    _key(),
    _to("study", "study.id", nullable=False),
    _matched("series_instance_uid"),
    _matched("modality"),
    Column("series_number", BigInteger),
    _matched("series_description"),
    _matched("body_part_examined"),
    _matched("performed_procedure_step_start_date"),
    _matched("performed_procedure_step_start_time"),
    _matched("scheduled_procedure_step_id"),
    _matched("requested_procedure_id"),
    Column("attributes", Text, nullable=False),
    Column("instance_count", Integer, nullable=False, server_default="0"),
    # By UID first: that finds a series, too. Those of a study are found by their modalities.
    UniqueConstraint("series_instance_uid", "study", name="series_by_uid"),
    Index("series_by_modality", "modality", "id"),
    Index("series_modalities", "study", "modality", "instance_count"),
)

#: The stores of bytes. `uid` stands beside the bytes too (`kinote.storage.marks`); `host` is the machine that reaches
#: them.
store = Table(
    "store",
    metadata,
    _key(),
    Column("kind", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    UniqueConstraint("kind", name="store_by_kind"),
)

#: The residence that an index of instances tells apart, as it is declared. Not a parameter: whenever one is
#: given, SQLite prepares a statement anew to see which index it then can take.
DAMAGED: ColumnElement[str] = literal_column("'damaged'")

instance = Table(
    "instance",
    metadata,
    _key(),
    _to("study", "study.id", nullable=False),
    _to("series", "series.id", nullable=False),
    _matched("sop_instance_uid"),
    _matched("sop_class_uid"),
    _matched("transfer_syntax_uid"),
    # The words of both are those of the design, section 2; no condition lists them, so that one more costs nothing.
    Column("standing", Text, nullable=False),
    Column("residence", Text, nullable=False),
    # Of the data set's bytes as received: digest in hex, and their number; NULL where they are not made yet.
    Column("digest", Text),
    Column("size", BigInteger),
    # Where the bytes are: the key in `store` and where in the file the data set begins, or `instance_bytes`.
    Column("file_key", Text),
    Column("dataset_offset", Integer, nullable=False, server_default="0"),
    Column("instance_number", BigInteger),
    Column("frames", Integer),
    Column("pixel_rows", Integer),
    Column("pixel_columns", Integer),
    _matched("content_date"),
    _matched("content_time"),
    # Observation DateTime, the first moment that it means, in UTC: `YYYYMMDDHHMMSS.ffffff`.
    _matched("observed"),
    # Concept Name Code Sequence of a structured document: for a KOS, its title.
    _matched("concept_scheme"),
    _matched("concept_value"),
    _matched("concept_meaning"),
    Column("attributes", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("received_from", Text, nullable=False),
    # Why a copy is held: what the instance is that came first, and in what this one differs.
    Column("held_reason", Text),
    # Of `file_key`; says nothing without one. No reference to `store`: SQLite adds none to a table with rows.
    Column("store", _Key, nullable=False, server_default="1"),
    # How `digest` was taken (`kinote.storage.digests`).
    Column("digest_algorithm", Text, nullable=False, server_default="sha256"),
    # Whether this is the row that its UID means. Held copies, superseded ones and tombstones that were replaced
    # stand beside it, and are never live.
    Column("is_current", Boolean, nullable=False, server_default=true()),
    # SQLite takes either only for who says in its very words what it is of: `is_current`, or that it is not.
    Index(
        "instance_current",
        "sop_instance_uid",
        unique=True,
        sqlite_where=text("is_current = 1"),
        postgresql_where=text("is_current"),
    ),
    Index(
        "instance_other_copies",
        "sop_instance_uid",
        sqlite_where=text("is_current = 0"),
        postgresql_where=text("NOT is_current"),
    ),
    Index("instance_by_series", "series", "standing", "instance_number"),
    Index("instance_by_study", "study", "standing"),
    Index(
        "instance_by_concept",
        "concept_value",
        "id",
        sqlite_where=text("concept_value <> ''"),
        postgresql_where=text("concept_value <> ''"),
    ),
    Index(
        "instance_by_observation",
        "observed",
        "id",
        sqlite_where=text("observed <> ''"),
        postgresql_where=text("observed <> ''"),
    ),
    Index(
        "instance_not_live",
        "standing",
        "id",
        sqlite_where=text("standing <> 'live'"),
        postgresql_where=text("standing <> 'live'"),
    ),
    Index(
        "instance_by_file",
        "file_key",
        sqlite_where=text("file_key IS NOT NULL"),
        postgresql_where=text("file_key IS NOT NULL"),
    ),
    Index(
        "instance_by_class",
        "sop_class_uid",
        "id",
        sqlite_where=text("standing = 'live'"),
        postgresql_where=text("standing = 'live'"),
    ),
    # Few or none while everything is on disk: tells cheaply that a study is all here.
    Index(
        "instance_elsewhere",
        "study",
        "standing",
        "residence",
        "series",
        sqlite_where=text("residence IN ('remote', 'none')"),
        postgresql_where=text("residence IN ('remote', 'none')"),
    ),
    # Fewer still (`DAMAGED`).
    Index(
        "instance_damaged",
        "study",
        "series",
        sqlite_where=text("residence = 'damaged'"),
        postgresql_where=text("residence = 'damaged'"),
    ),
)

#: What was received where a correction says otherwise: the columns of patient, study, series and instance hold what
#: holds now. No correction is made yet; read by `kinote.catalog.instances.received_values`.
received_value = Table(
    "received_value",
    metadata,
    # 'patient', 'study', 'series' or 'instance', and the key of its row.
    Column("level", _Matched, primary_key=True),
    Column("key", _Key, primary_key=True),
    # The attribute's keyword (PS3.6 6), those of UIDs included, and its value as text, as in a data set.
    Column("attribute", _Matched, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: Files that rows had which are gone, until they are removed (`kinote.holdings.removal`).
owed_removal = Table(
    "owed_removal",
    metadata,
    # No reference to `store`, as in `instance`.
    Column("store", _Key, primary_key=True),
    Column("key", _Matched, primary_key=True),
    Column("since", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: The whole header as DICOM JSON, zlib-compressed; bulk values as relative BulkDataURI. That of instances whose
#: bytes are in `instance_bytes` is made of these (`kinote.catalog.instances.headers`).
instance_metadata = Table(
    "instance_metadata",
    metadata,
    Column("instance", _Key, ForeignKey("instance.id"), primary_key=True),
    Column("json", LargeBinary, nullable=False),
)

#: Data sets up to 64 KB of objects that are no images, and those of key objects made here: row and bytes cannot
#: disagree.
instance_bytes = Table(
    "instance_bytes",
    metadata,
    Column("instance", _Key, ForeignKey("instance.id"), primary_key=True),
    Column("dataset", LargeBinary, nullable=False),
)

#: Digests of the pieces of a data set that has several (`kinote.storage.digests`), one after the other.
instance_pieces = Table(
    "instance_pieces",
    metadata,
    Column("instance", _Key, ForeignKey("instance.id"), primary_key=True),
    Column("digests", LargeBinary, nullable=False),
)

finding = Table(
    "finding",
    metadata,
    _key(),
    _to("instance", "instance.id", nullable=False),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("finding_by_instance", "instance"),
)

ORIGINS = ("authored", "received", "migrated")

note = Table(
    "note",
    metadata,
    _key(),
    Column("origin", Text, nullable=False),
    CheckConstraint(f"origin IN {ORIGINS}", name="origin_is_known"),
    Index("note_by_origin", "origin", "id"),
)

note_version = Table(
    "note_version",
    metadata,
    _key(),
    _to("note", "note.id", nullable=False),
    Column("number", Integer, nullable=False),
    Column("is_current", Boolean, nullable=False),
    _matched("title_scheme"),
    _matched("title_value"),
    Column("title_meaning", Text, nullable=False),
    Column("title_group", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("author_name", Text, nullable=False),
    _matched("author_normal"),
    Column("author_login", Text, nullable=False),
    Column("author_verified", Boolean, nullable=False),
    # When the note was made, as its document says (ISO 8601, with the offset if it gives one).
    Column("created", Text, nullable=False),
    Column("registered_at", Text, nullable=False),
    # Of references, title, modifiers, text, author and time: equal for the same note everywhere.
    Column("fingerprint", Text, nullable=False),
    # Where the references were read: 'content', 'image library' or 'evidence'.
    Column("references_from", Text, nullable=False),
    UniqueConstraint("note", "number", name="note_version_by_number"),
    # A note has one current version; and the way through all of them, newest note first.
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
    Column("version", _Key, ForeignKey("note_version.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("scheme", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("meaning", Text, nullable=False),
    sqlite_with_rowid=False,
)

note_reference = Table(
    "note_reference",
    metadata,
    Column("version", _Key, ForeignKey("note_version.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _matched("study_instance_uid"),
    _matched("series_instance_uid"),
    _matched("sop_class_uid"),
    _matched("sop_instance_uid"),
    # Lists of numbers as JSON ("[3,7]"), empty where all frames or segments are meant.
    Column("frames", Text, nullable=False, server_default=""),
    Column("segments", Text, nullable=False, server_default=""),
    _matched("presentation_state_uid"),
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

#: The studies that a note version names: those whose images it flags or says to, those in which its KOS lies.
note_study = Table(
    "note_study",
    metadata,
    Column("study_instance_uid", _Matched, primary_key=True),
    Column("version", _Key, ForeignKey("note_version.id"), primary_key=True),
    # Whether it flags something there that is not another patient's: a cache of what references, places and
    # patients say, changed in the transaction that changes these (`kinote.notes.belonging`).
    Column("flags_there", Boolean, nullable=False),
    Index("note_study_by_version", "version"),
    sqlite_with_rowid=False,
)

REGISTRATIONS = ("registered", "registered with findings", "unreadable")

key_object = Table(
    "key_object",
    metadata,
    Column("instance", _Key, ForeignKey("instance.id"), primary_key=True),
    Column("registration", Text, nullable=False),
    _to("version", "note_version.id", nullable=True),
    # The copies in other studies that this document names (PS3.3 C.17.6.2.1), as JSON list of UIDs.
    Column("identical_documents", Text, nullable=False, server_default="[]"),
    # Of an unreadable KOS: the Study Instance UID of the study that shows a placeholder for it.
    _matched("unreadable_in_study"),
    # Of a KOS made here: all its bytes depend on beside its note version, as JSON (law 11).
    Column("made_from", Text),
    # Of the reader that read it (`kinote.keyobject.reader`); 0 for one of which that was not noted.
    Column("reader_version", Integer, nullable=False, server_default="0"),
    CheckConstraint(f"registration IN {REGISTRATIONS}", name="registration_is_known"),
    CheckConstraint("(registration = 'unreadable') = (version IS NULL)", name="unreadable_flags_nothing"),
    Index("key_object_by_version", "version"),
    # What was made here was read by no reader.
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

#: Referenced Request Sequence of a KOS: what IHE RAD-30 lets a display ask for.
key_object_request = Table(
    "key_object_request",
    metadata,
    Column("instance", _Key, ForeignKey("instance.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _matched("study_instance_uid"),
    _matched("accession_number"),
    _matched("requested_procedure_id"),
    Index("key_object_request_by_procedure", "requested_procedure_id"),
    Index("key_object_request_by_accession", "accession_number"),
    sqlite_with_rowid=False,
)

withdrawal = Table(
    "withdrawal",
    metadata,
    _key(),
    # The name of an act (`kinote.lifecycle.acts`), or one that earlier versions had for it.
    Column("act", Text, nullable=False),
    Column("reason_scheme", Text, nullable=False),
    Column("reason_value", Text, nullable=False),
    Column("reason_meaning", Text, nullable=False),
    Column("reason_text", Text, nullable=False),
    # The SOP Instance UID of the rejection note behind it, empty if none.
    Column("rejection_note_uid", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("undone_at", Text),
    Column("undone_by", Text),
)

#: By UID and not by key: a withdrawal may come before its instance.
withdrawal_target = Table(
    "withdrawal_target",
    metadata,
    Column("withdrawal", _Key, ForeignKey("withdrawal.id"), primary_key=True),
    Column("sop_instance_uid", _Matched, primary_key=True),
    # The one copy that is meant; NULL for whatever the UID means, now and later. No reference: the row of a copy that
    # was discarded is gone, and its key means no other (`dialects.never_use_keys_again`).
    Column("instance", _Key),
    Index("withdrawal_target_by_uid", "sop_instance_uid"),
)

change = Table(
    "change",
    metadata,
    _key("sequence"),
    Column("kind", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False, server_default=""),
    Column("sop_instance_uid", Text, nullable=False, server_default=""),
    Column("note", _Key),
    Column("made_at", Text, nullable=False),
    # The writing transaction (PostgreSQL): a reader stops before the oldest one still open.
    Column("transaction", BigInteger, nullable=False, server_default="0"),
    # Of SQLite's writers, who come one by one, the sequence by itself is the order.
    Index(
        "change_in_order",
        "transaction",
        "sequence",
        sqlite_where=text('"transaction" <> 0'),
    ),
)

#: Requests of clients that were carried out under a key of theirs, with what was answered, for some days
#: (`kinote.catalog.answered_requests`).
answered_request = Table(
    "answered_request",
    metadata,
    _key(),
    # Who asked; empty while nobody signs in. Keys of different actors are different keys.
    _matched("actor"),
    Column("key", _Matched, nullable=False),
    # Of everything that was asked for, SHA-256 in hex: tells the request again from another one.
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    # Header fields of the answer as a JSON object.
    Column("headers", Text, nullable=False),
    # zlib-compressed.
    Column("body", LargeBinary, nullable=False),
    Column("answered_at", Text, nullable=False),
    UniqueConstraint("actor", "key", name="answered_request_by_key"),
    Index("answered_request_by_time", "answered_at"),
)

#: Facts about the index itself, e.g. up to when start-up recovery has swept the storage, and keys that are gone.
house = Table(
    "house",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

#: A row of its own for each transaction on PostgreSQL, kept until the next one of the same writer (`commits`).
commit_mark = Table(
    "commit_mark",
    metadata,
    Column("token", _Matched, primary_key=True),
    Column("left_at", Text, nullable=False),
)

#: Server processes. Each writes about itself, by the clock of the database (`nodes`).
node = Table(
    "node",
    metadata,
    # Drawn anew at each start.
    Column("id", _Matched, primary_key=True),
    Column("host", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("heartbeat_at", Text, nullable=False),
)

#: Other systems that we know, managed by people. For sign-in of systems and for delivery, to come.
peer = Table(
    "peer",
    metadata,
    _key(),
    Column("name", _Matched, nullable=False),
    # By which it is known when it calls, and what it may: JSON lists of words.
    Column("ae_titles", Text, nullable=False, server_default="[]"),
    Column("rights", Text, nullable=False, server_default="[]"),
    UniqueConstraint("name", name="peer_by_name"),
)

#: Where a peer is reached. For delivery, to come.
endpoint = Table(
    "endpoint",
    metadata,
    _key(),
    _to("peer", "peer.id", nullable=False),
    # 'dimse', 'dicomweb', 'mllp' or 'folder'; and as that has it: `AE@host:port`, a URL, `host:port`, a path.
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    UniqueConstraint("peer", "kind", "address", name="endpoint_of_peer"),
)

#: Where objects are sent, under a name that people choose. For delivery, to come.
destination = Table(
    "destination",
    metadata,
    _key(),
    Column("name", _Matched, nullable=False),
    _to("endpoint", "endpoint.id", nullable=False),
    # What is sent there and how, as a JSON object.
    Column("policy", Text, nullable=False, server_default="{}"),
    UniqueConstraint("name", name="destination_by_name"),
)

#: Evidence that an archive holds an instance (law 9), the strongest there is of each. For archiving, to come.
location = Table(
    "location",
    metadata,
    Column("instance", _Key, ForeignKey("instance.id"), primary_key=True),
    Column("archive", _Key, ForeignKey("peer.id"), primary_key=True),
    # 'acknowledged', 'found' or 'committed'; only what is committed allows to evict.
    Column("evidence", Text, nullable=False),
    Column("at", Text, nullable=False),
    Index("location_by_archive", "archive", "instance"),
    sqlite_with_rowid=False,
)

#: When bytes of a study were last read, to the hour (`kinote.catalog.last_use`). For retention, to come.
last_use = Table(
    "last_use",
    metadata,
    Column("study", _Key, ForeignKey("study.id"), primary_key=True),
    # 'flagged': images that notes flag, and presentation states they name; 'rest': all others of the study.
    Column("part", _Matched, primary_key=True),
    # 'person' or 'system'.
    Column("used_by", _Matched, primary_key=True),
    # The moment at which the hour began.
    Column("hour", _Matched, nullable=False),
    Index("last_use_by_hour", "part", "used_by", "hour", "study"),
    sqlite_with_rowid=False,
)

#: The passes of the slow scrub, one at a time, whichever node does it (`kinote.catalog.scrub_passes`).
scrub_pass = Table(
    "scrub_pass",
    metadata,
    _key(),
    Column("begun_at", Text, nullable=False),
    Column("ended_at", Text),
    # Who is at it; empty if nobody is.
    Column("node", _Matched, nullable=False, server_default=""),
    # Keys of instances: the last one there was at the beginning, and the last one that has been read.
    Column("last_key", _Key, nullable=False),
    Column("position", _Key, nullable=False, server_default="0"),
    # What it has read and found so far.
    Column("objects", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("damaged", BigInteger, nullable=False, server_default="0"),
    Column("unreadable", BigInteger, nullable=False, server_default="0"),
    Column("renewed", BigInteger, nullable=False, server_default="0"),
)
