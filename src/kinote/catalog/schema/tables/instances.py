"""Instances, the place of their bytes, and their findings."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
    true,
)

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

#: The stores of bytes. `uid` is stored with the bytes, too (`kinote.storage.directory.marks`). `host` is the machine
#: that reaches them.
store = Table(
    "store",
    metadata,
    key(),
    Column("kind", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    UniqueConstraint("kind", name="store_by_kind"),
)

#: The residences in the WHERE clauses of indexes of instances, as they are declared. They are no parameters, because
#: SQLite would then prepare the statement again for each value to choose an index.
DAMAGED: ColumnElement[str] = literal_column("'damaged'")
DERIVABLE: ColumnElement[str] = literal_column("'derivable'")

instance = Table(
    "instance",
    metadata,
    key(),
    to("study", "study.id", nullable=False),
    to("series", "series.id", nullable=False),
    matched("sop_instance_uid"),
    matched("sop_class_uid"),
    matched("transfer_syntax_uid"),
    # Their values are those of docs/terms.md. No condition of the table lists them, so that a further one needs no
    # migration.
    Column("standing", Text, nullable=False),
    Column("residence", Text, nullable=False),
    # Digest in hex and length of the data set as received; NULL if the bytes are not made yet.
    Column("digest", Text),
    Column("size", BigInteger),
    # Where the bytes are: the key in `store` and the offset of the data set in the file, or `instance_bytes`.
    Column("file_key", Text),
    Column("dataset_offset", Integer, nullable=False, server_default="0"),
    Column("instance_number", BigInteger),
    Column("frames", Integer),
    Column("pixel_rows", Integer),
    Column("pixel_columns", Integer),
    matched("content_date"),
    matched("content_time"),
    # The first moment of Observation DateTime, in UTC: `YYYYMMDDHHMMSS.ffffff`.
    matched("observed"),
    # Concept Name Code Sequence of a structured document: the title of a KOS.
    matched("concept_scheme"),
    matched("concept_value"),
    matched("concept_meaning"),
    Column("attributes", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    # The interface; in rows of earlier versions also from whom.
    Column("received_from", Text, nullable=False),
    # Why a copy is held: what the first instance is, and how this one differs.
    Column("held_reason", Text),
    # The store of `file_key`; without meaning if there is none. It does not reference `store`, since SQLite adds no
    # reference to a table with rows.
    Column("store", Key, nullable=False, server_default="1"),
    # The algorithm of `digest` (`kinote.storage.digests`).
    Column("digest_algorithm", Text, nullable=False, server_default="sha256"),
    # Whether its UID means this row. Held copies, superseded instances and replaced tombstones have rows of their
    # own, which are never live.
    Column("is_current", Boolean, nullable=False, server_default=true()),
    # Who sent it, or had it made here.
    *actor("brought_by"),
    # 0 if no correction concerns the instance itself or what it refers to. Each correction increases it, so that what
    # went out before can be told apart. `series` and `study` have the same.
    Column("overlay", Integer, nullable=False, server_default="0"),
    # One index covers current rows, the other all others. SQLite uses a partial index only if the query repeats its
    # WHERE clause literally.
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
    # Empty, or nearly so, while all bytes are on disk. So it is cheap to see that a study is complete.
    Index(
        "instance_elsewhere",
        "study",
        "standing",
        "residence",
        "series",
        sqlite_where=text("residence IN ('remote', 'none')"),
        postgresql_where=text("residence IN ('remote', 'none')"),
    ),
    # Nearly always empty (`DAMAGED`).
    Index(
        "instance_damaged",
        "study",
        "series",
        sqlite_where=text("residence = 'damaged'"),
        postgresql_where=text("residence = 'damaged'"),
    ),
    Index(
        "instance_derivable",
        "id",
        sqlite_where=text("residence = 'derivable'"),
        postgresql_where=text("residence = 'derivable'"),
    ),
)

#: Rows of `received_value` that are about UIDs, repeated literally from their index.
UIDS_RECEIVED = "attribute IN ('SOPInstanceUID', 'SeriesInstanceUID', 'StudyInstanceUID')"

#: Received values that corrections have replaced. The columns of patient, study, series and instance have the
#: effective values. There are no corrections yet. `kinote.catalog.instances.overlays` makes what goes out from these
#: rows. Whoever writes a row increases `overlay` of what it is about; for a patient, that of each study.
received_value = Table(
    "received_value",
    metadata,
    # 'patient', 'study', 'series' or 'instance', and the key of its row.
    Column("level", Matched, primary_key=True),
    Column("key", Key, primary_key=True),
    # The attribute's keyword (PS3.6 section 6), also for UIDs, and its value as text, as in a data set.
    # `ReferencedSOPInstanceUID` of an instance says that UIDs it refers to have changed; it has no value.
    Column("attribute", Matched, primary_key=True),
    Column("value", Text, nullable=False),
    # When, by which system and why (`COERCE` or `CORRECT`) it was changed last: Original Attributes Sequence,
    # PS3.3 C.12.1.1.9.
    Column("changed_at", Text, nullable=False, server_default=""),
    Column("system", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default="CORRECT"),
    # What UIDs were received as: what refers to them is to find what they are today.
    Index(
        "received_value_by_uid",
        "value",
        sqlite_where=text(UIDS_RECEIVED),
        postgresql_where=text(UIDS_RECEIVED),
    ),
    sqlite_with_rowid=False,
)

#: Files of deleted or purged rows that still have to be removed (`kinote.holdings.removing.removal`).
owed_removal = Table(
    "owed_removal",
    metadata,
    # No reference to `store`, as in `instance`.
    Column("store", Key, primary_key=True),
    Column("key", Matched, primary_key=True),
    Column("since", Text, nullable=False),
    # The purged instance whose bytes they were; NULL for those of rows that are gone.
    Column("instance", Key),
    # How often it has failed, why it did the last time, and when it is tried again.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("retry_at", Matched, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)

#: The whole header as DICOM JSON, compressed with zlib; bulk values as relative BulkDataURI. For instances with
#: bytes in `instance_bytes`, it is made of these on demand (`kinote.catalog.instances.headers`).
instance_metadata = Table(
    "instance_metadata",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("json", LargeBinary, nullable=False),
)

#: Data sets of up to 64 KB of non-image objects, and of key objects made here, so that row and bytes cannot
#: disagree.
instance_bytes = Table(
    "instance_bytes",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("dataset", LargeBinary, nullable=False),
)

#: Digests of the pieces of a data set that has several (`kinote.storage.digests`), one after the other.
instance_pieces = Table(
    "instance_pieces",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("digests", LargeBinary, nullable=False),
)

finding = Table(
    "finding",
    metadata,
    key(),
    to("instance", "instance.id", nullable=False),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("finding_by_instance", "instance"),
)

#: The hour in which bytes of a study were last read (`kinote.catalog.last_use`). Retention will use it.
last_use = Table(
    "last_use",
    metadata,
    Column("study", Key, ForeignKey("study.id"), primary_key=True),
    # 'flagged': images that notes flag, with the presentation states they name. 'rest': all others of the study.
    Column("part", Matched, primary_key=True),
    # 'person' or 'system'.
    Column("used_by", Matched, primary_key=True),
    # The moment when the hour began.
    Column("hour", Matched, nullable=False),
    Index("last_use_by_hour", "part", "used_by", "hour", "study"),
    sqlite_with_rowid=False,
)
