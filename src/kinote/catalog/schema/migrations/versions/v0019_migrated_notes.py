"""Notes of other systems, and their key objects that wait to be made. New tables only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def upgrade() -> None:
    op.create_table(
        "migrated_note",
        sa.Column("id", KEY, nullable=False),
        _matched("source"),
        _matched("legacy_key"),
        _text("migrated_as"),
        sa.Column("note", KEY, nullable=False),
        _text("fingerprint"),
        _matched("patient_id"),
        _matched("issuer_of_patient_id"),
        _text("imported_at"),
        sa.CheckConstraint("migrated_as IN ('note', 'duplicate')", name="migrated_as_is_known"),
        sa.ForeignKeyConstraint(["note"], ["note.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("legacy_key", "source", name="migrated_note_by_key"),
    )
    op.create_index("migrated_note_by_note", "migrated_note", ["note"])
    op.create_index("migrated_note_by_kind", "migrated_note", ["migrated_as", "id"])
    op.create_table(
        "awaited_key_object",
        sa.Column("version", KEY, nullable=False),
        sa.Column("study_instance_uid", MATCHED, nullable=False),
        _matched("sop_instance_uid"),
        _matched("series_instance_uid"),
        _text("refused", ""),
        sa.ForeignKeyConstraint(["version"], ["note_version.id"]),
        sa.PrimaryKeyConstraint("version", "study_instance_uid"),
        sqlite_with_rowid=False,
    )
    op.create_index("awaited_key_object_by_study", "awaited_key_object", ["study_instance_uid", "version"])
    op.create_index("awaited_key_object_by_uid", "awaited_key_object", ["sop_instance_uid"])
