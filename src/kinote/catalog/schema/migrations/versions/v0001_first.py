"""The first schema, as it was: a later change of the tables is a migration of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from kinote.catalog.sql import dialects
from kinote.catalog.sql.text_index import TextIndex

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

LIVE_INSTANCE = (
    "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND standing <> 'held'"
)
TEXT_INDEXES = ("note_text", "study_text")
#: Tables whose keys other programs are given: as numbers of held copies and of notes.
KEYS_HANDED_OUT = ("instance", "note")


def upgrade() -> None:
    _create_change()
    _create_house()
    _create_note()
    _create_patient()
    _create_withdrawal()
    _create_note_version()
    _create_study()
    _create_withdrawal_target()
    _create_note_modifier()
    _create_note_reference()
    _create_note_study()
    _create_series()
    _create_instance()
    _create_finding()
    _create_instance_bytes()
    _create_instance_metadata()
    _create_key_object()
    _create_key_object_request()
    connection = op.get_bind()
    connection.exec_driver_sql(LIVE_INSTANCE)
    for name in TEXT_INDEXES:
        TextIndex(name).create(connection)
    for name in KEYS_HANDED_OUT:
        dialects.never_use_keys_again(connection, name)


def _create_change() -> None:
    op.create_table(
        "change",
        sa.Column("sequence", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("sop_instance_uid", sa.Text(), server_default="", nullable=False),
        sa.Column("note", KEY, nullable=True),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("transaction", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index(
        "change_in_order",
        "change",
        ["transaction", "sequence"],
        unique=False,
        sqlite_where=sa.text('"transaction" <> 0'),
    )


def _create_house() -> None:
    op.create_table(
        "house",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _create_note() -> None:
    op.create_table(
        "note",
        sa.Column("id", KEY, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.CheckConstraint("origin IN ('authored', 'received', 'migrated')", name="origin_is_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("note_by_origin", "note", ["origin", "id"], unique=False)


def _create_patient() -> None:
    op.create_table(
        "patient",
        sa.Column("id", KEY, nullable=False),
        sa.Column("patient_id", MATCHED, server_default="", nullable=False),
        sa.Column("issuer", MATCHED, server_default="", nullable=False),
        sa.Column("merged_into", KEY, nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_into"],
            ["patient.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "patient_by_id",
        "patient",
        ["patient_id", "issuer"],
        unique=True,
        sqlite_where=sa.text("patient_id <> ''"),
        postgresql_where=sa.text("patient_id <> ''"),
    )


def _create_withdrawal() -> None:
    op.create_table(
        "withdrawal",
        sa.Column("id", KEY, nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("reason_scheme", sa.Text(), nullable=False),
        sa.Column("reason_value", sa.Text(), nullable=False),
        sa.Column("reason_meaning", sa.Text(), nullable=False),
        sa.Column("reason_text", sa.Text(), nullable=False),
        sa.Column("rejection_note_uid", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.Text(), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_note_version() -> None:
    op.create_table(
        "note_version",
        sa.Column("id", KEY, nullable=False),
        sa.Column("note", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("title_scheme", MATCHED, server_default="", nullable=False),
        sa.Column("title_value", MATCHED, server_default="", nullable=False),
        sa.Column("title_meaning", sa.Text(), nullable=False),
        sa.Column("title_group", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("author_kind", sa.Text(), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("author_normal", MATCHED, server_default="", nullable=False),
        sa.Column("author_login", sa.Text(), nullable=False),
        sa.Column("author_verified", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("references_from", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["note"],
            ["note.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("note", "number", name="note_version_by_number"),
    )
    op.create_index(
        "note_version_by_author",
        "note_version",
        ["author_normal", "note"],
        unique=False,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_index("note_version_by_fingerprint", "note_version", ["fingerprint"], unique=False)
    op.create_index(
        "note_version_by_time",
        "note_version",
        ["registered_at", "note"],
        unique=False,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_index(
        "note_version_by_title",
        "note_version",
        ["title_value", "title_scheme", "note"],
        unique=False,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )
    op.create_index(
        "note_version_current",
        "note_version",
        ["note"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current"),
    )


def _create_study() -> None:
    op.create_table(
        "study",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("patient", KEY, nullable=False),
        sa.Column("patient_id", MATCHED, server_default="", nullable=False),
        sa.Column("issuer_of_patient_id", MATCHED, server_default="", nullable=False),
        sa.Column("patient_name_alphabetic", MATCHED, server_default="", nullable=False),
        sa.Column("patient_name_ideographic", MATCHED, server_default="", nullable=False),
        sa.Column("patient_name_phonetic", MATCHED, server_default="", nullable=False),
        sa.Column("patient_birth_date", MATCHED, server_default="", nullable=False),
        sa.Column("patient_sex", MATCHED, server_default="", nullable=False),
        sa.Column("study_date", MATCHED, server_default="", nullable=False),
        sa.Column("study_time", MATCHED, server_default="", nullable=False),
        sa.Column("timezone_offset", MATCHED, server_default="", nullable=False),
        sa.Column("study_id", MATCHED, server_default="", nullable=False),
        sa.Column("accession_number", MATCHED, server_default="", nullable=False),
        sa.Column("study_description", MATCHED, server_default="", nullable=False),
        sa.Column("referring_physician_name_alphabetic", MATCHED, server_default="", nullable=False),
        sa.Column("referring_physician_name_ideographic", MATCHED, server_default="", nullable=False),
        sa.Column("referring_physician_name_phonetic", MATCHED, server_default="", nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("series_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("instance_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient"],
            ["patient.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("study_instance_uid", name="study_by_uid"),
    )
    op.create_index("study_by_accession", "study", ["accession_number", "study_date", "id"], unique=False)
    op.create_index("study_by_date", "study", ["study_date", "id"], unique=False)
    op.create_index("study_by_patient", "study", ["patient"], unique=False)
    op.create_index(
        "study_by_timezone",
        "study",
        ["timezone_offset"],
        unique=False,
        sqlite_where=sa.text("timezone_offset <> ''"),
        postgresql_where=sa.text("timezone_offset <> ''"),
    )
    op.create_index("study_by_patient_id", "study", ["patient_id", "study_date", "id"], unique=False)
    op.create_index(
        "study_by_patient_name", "study", ["patient_name_alphabetic", "study_date", "id"], unique=False
    )


def _create_withdrawal_target() -> None:
    op.create_table(
        "withdrawal_target",
        sa.Column("withdrawal", KEY, nullable=False),
        sa.Column("sop_instance_uid", MATCHED, nullable=False),
        sa.ForeignKeyConstraint(
            ["withdrawal"],
            ["withdrawal.id"],
        ),
        sa.PrimaryKeyConstraint("withdrawal", "sop_instance_uid"),
    )
    op.create_index("withdrawal_target_by_uid", "withdrawal_target", ["sop_instance_uid"], unique=False)


def _create_note_modifier() -> None:
    op.create_table(
        "note_modifier",
        sa.Column("version", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["note_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "position"),
        sqlite_with_rowid=False,
    )


def _create_note_reference() -> None:
    op.create_table(
        "note_reference",
        sa.Column("version", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("series_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("sop_class_uid", MATCHED, server_default="", nullable=False),
        sa.Column("sop_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("frames", sa.Text(), server_default="", nullable=False),
        sa.Column("segments", sa.Text(), server_default="", nullable=False),
        sa.Column("presentation_state_uid", MATCHED, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["note_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "note_reference_by_instance", "note_reference", ["sop_instance_uid", "version"], unique=False
    )


def _create_note_study() -> None:
    op.create_table(
        "note_study",
        sa.Column("study_instance_uid", MATCHED, nullable=False),
        sa.Column("version", KEY, nullable=False),
        sa.Column("flags_there", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["note_version.id"],
        ),
        sa.PrimaryKeyConstraint("study_instance_uid", "version"),
        sqlite_with_rowid=False,
    )
    op.create_index("note_study_by_version", "note_study", ["version"], unique=False)


def _create_series() -> None:
    op.create_table(
        "series",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study", KEY, nullable=False),
        sa.Column("series_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("modality", MATCHED, server_default="", nullable=False),
        sa.Column("series_number", sa.BigInteger(), nullable=True),
        sa.Column("series_description", MATCHED, server_default="", nullable=False),
        sa.Column("body_part_examined", MATCHED, server_default="", nullable=False),
        sa.Column("performed_procedure_step_start_date", MATCHED, server_default="", nullable=False),
        sa.Column("performed_procedure_step_start_time", MATCHED, server_default="", nullable=False),
        sa.Column("scheduled_procedure_step_id", MATCHED, server_default="", nullable=False),
        sa.Column("requested_procedure_id", MATCHED, server_default="", nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("instance_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["study"],
            ["study.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("series_instance_uid", "study", name="series_by_uid"),
    )
    op.create_index("series_by_modality", "series", ["modality", "id"], unique=False)
    op.create_index("series_modalities", "series", ["study", "modality", "instance_count"], unique=False)


def _create_instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", KEY, nullable=False),
        sa.Column("study", KEY, nullable=False),
        sa.Column("series", KEY, nullable=False),
        sa.Column("sop_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("sop_class_uid", MATCHED, server_default="", nullable=False),
        sa.Column("transfer_syntax_uid", MATCHED, server_default="", nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("residence", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("dataset_offset", sa.Integer(), server_default="0", nullable=False),
        sa.Column("instance_number", sa.BigInteger(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=True),
        sa.Column("pixel_rows", sa.Integer(), nullable=True),
        sa.Column("pixel_columns", sa.Integer(), nullable=True),
        sa.Column("content_date", MATCHED, server_default="", nullable=False),
        sa.Column("content_time", MATCHED, server_default="", nullable=False),
        sa.Column("observed", MATCHED, server_default="", nullable=False),
        sa.Column("concept_scheme", MATCHED, server_default="", nullable=False),
        sa.Column("concept_value", MATCHED, server_default="", nullable=False),
        sa.Column("concept_meaning", MATCHED, server_default="", nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.Column("received_from", sa.Text(), nullable=False),
        sa.Column("held_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(residence = 'local') OR (file_key IS NULL)", name="only_local_has_a_file"),
        sa.CheckConstraint(
            "residence IN ('local', 'derivable', 'remote', 'none')", name="residence_is_known"
        ),
        sa.CheckConstraint("standing IN ('live', 'held', 'withdrawn', 'purged')", name="standing_is_known"),
        sa.ForeignKeyConstraint(
            ["series"],
            ["series.id"],
        ),
        sa.ForeignKeyConstraint(
            ["study"],
            ["study.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "instance_by_class",
        "instance",
        ["sop_class_uid", "id"],
        unique=False,
        sqlite_where=sa.text("standing = 'live'"),
        postgresql_where=sa.text("standing = 'live'"),
    )
    op.create_index(
        "instance_by_concept",
        "instance",
        ["concept_value", "id"],
        unique=False,
        sqlite_where=sa.text("concept_value <> ''"),
        postgresql_where=sa.text("concept_value <> ''"),
    )
    op.create_index(
        "instance_by_file",
        "instance",
        ["file_key"],
        unique=False,
        sqlite_where=sa.text("file_key IS NOT NULL"),
        postgresql_where=sa.text("file_key IS NOT NULL"),
    )
    op.create_index("instance_by_series", "instance", ["series", "standing", "instance_number"], unique=False)
    op.create_index("instance_by_study", "instance", ["study", "standing"], unique=False)
    op.create_index(
        "instance_held_by_uid",
        "instance",
        ["sop_instance_uid"],
        unique=False,
        sqlite_where=sa.text("standing = 'held'"),
        postgresql_where=sa.text("standing = 'held'"),
    )
    op.create_index(
        "instance_is_unique",
        "instance",
        ["sop_instance_uid"],
        unique=True,
        sqlite_where=sa.text("standing <> 'held'"),
        postgresql_where=sa.text("standing <> 'held'"),
    )
    op.create_index(
        "instance_elsewhere",
        "instance",
        ["study", "standing", "residence", "series"],
        unique=False,
        sqlite_where=sa.text("residence IN ('remote', 'none')"),
        postgresql_where=sa.text("residence IN ('remote', 'none')"),
    )
    op.create_index(
        "instance_by_observation",
        "instance",
        ["observed", "id"],
        unique=False,
        sqlite_where=sa.text("observed <> ''"),
        postgresql_where=sa.text("observed <> ''"),
    )
    op.create_index(
        "instance_not_live",
        "instance",
        ["standing", "id"],
        unique=False,
        sqlite_where=sa.text("standing <> 'live'"),
        postgresql_where=sa.text("standing <> 'live'"),
    )


def _create_finding() -> None:
    op.create_table(
        "finding",
        sa.Column("id", KEY, nullable=False),
        sa.Column("instance", KEY, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("finding_by_instance", "finding", ["instance"], unique=False)


def _create_instance_bytes() -> None:
    op.create_table(
        "instance_bytes",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("dataset", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.PrimaryKeyConstraint("instance"),
    )


def _create_instance_metadata() -> None:
    op.create_table(
        "instance_metadata",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("json", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.PrimaryKeyConstraint("instance"),
    )


def _create_key_object() -> None:
    op.create_table(
        "key_object",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("version", KEY, nullable=True),
        sa.Column("identical_documents", sa.Text(), server_default="[]", nullable=False),
        sa.Column("unreadable_in_study", MATCHED, server_default="", nullable=False),
        sa.Column("made_from", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(registration = 'unreadable') = (version IS NULL)", name="unreadable_flags_nothing"
        ),
        sa.CheckConstraint(
            "registration IN ('registered', 'registered with findings', 'unreadable')",
            name="registration_is_known",
        ),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.ForeignKeyConstraint(
            ["version"],
            ["note_version.id"],
        ),
        sa.PrimaryKeyConstraint("instance"),
    )
    op.create_index("key_object_by_version", "key_object", ["version"], unique=False)
    op.create_index(
        "key_object_unreadable",
        "key_object",
        ["unreadable_in_study"],
        unique=False,
        sqlite_where=sa.text("unreadable_in_study <> ''"),
        postgresql_where=sa.text("unreadable_in_study <> ''"),
    )


def _create_key_object_request() -> None:
    op.create_table(
        "key_object_request",
        sa.Column("instance", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", MATCHED, server_default="", nullable=False),
        sa.Column("accession_number", MATCHED, server_default="", nullable=False),
        sa.Column("requested_procedure_id", MATCHED, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.PrimaryKeyConstraint("instance", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "key_object_request_by_accession", "key_object_request", ["accession_number"], unique=False
    )
    op.create_index(
        "key_object_request_by_procedure", "key_object_request", ["requested_procedure_id"], unique=False
    )
    # ### end Alembic commands ###
