"""Instances, where their bytes lie, and what was found about them."""

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

from kinote.catalog.schema.columns import Key, Matched, key, matched, metadata, to

#: The stores of bytes. `uid` stands beside the bytes too (`kinote.storage.marks`); `host` is the machine that reaches
#: them.
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

#: The residence that an index of instances tells apart, as it is declared. Not a parameter: whenever one is
#: given, SQLite prepares a statement anew to see which index it then can take.
DAMAGED: ColumnElement[str] = literal_column("'damaged'")

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
    matched("content_date"),
    matched("content_time"),
    # Observation DateTime, the first moment that it means, in UTC: `YYYYMMDDHHMMSS.ffffff`.
    matched("observed"),
    # Concept Name Code Sequence of a structured document: for a KOS, its title.
    matched("concept_scheme"),
    matched("concept_value"),
    matched("concept_meaning"),
    Column("attributes", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("received_from", Text, nullable=False),
    # Why a copy is held: what the instance is that came first, and in what this one differs.
    Column("held_reason", Text),
    # Of `file_key`; says nothing without one. No reference to `store`: SQLite adds none to a table with rows.
    Column("store", Key, nullable=False, server_default="1"),
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
    Column("level", Matched, primary_key=True),
    Column("key", Key, primary_key=True),
    # The attribute's keyword (PS3.6 6), those of UIDs included, and its value as text, as in a data set.
    Column("attribute", Matched, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: Files that rows had which are gone, until they are removed (`kinote.holdings.removal`).
owed_removal = Table(
    "owed_removal",
    metadata,
    # No reference to `store`, as in `instance`.
    Column("store", Key, primary_key=True),
    Column("key", Matched, primary_key=True),
    Column("since", Text, nullable=False),
    sqlite_with_rowid=False,
)

#: The whole header as DICOM JSON, zlib-compressed; bulk values as relative BulkDataURI. That of instances whose
#: bytes are in `instance_bytes` is made of these (`kinote.catalog.instances.headers`).
instance_metadata = Table(
    "instance_metadata",
    metadata,
    Column("instance", Key, ForeignKey("instance.id"), primary_key=True),
    Column("json", LargeBinary, nullable=False),
)

#: Data sets up to 64 KB of objects that are no images, and those of key objects made here: row and bytes cannot
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

#: When bytes of a study were last read, to the hour (`kinote.catalog.last_use`). For retention, to come.
last_use = Table(
    "last_use",
    metadata,
    Column("study", Key, ForeignKey("study.id"), primary_key=True),
    # 'flagged': images that notes flag, and presentation states they name; 'rest': all others of the study.
    Column("part", Matched, primary_key=True),
    # 'person' or 'system'.
    Column("used_by", Matched, primary_key=True),
    # The moment at which the hour began.
    Column("hour", Matched, nullable=False),
    Index("last_use_by_hour", "part", "used_by", "hour", "study"),
    sqlite_with_rowid=False,
)
