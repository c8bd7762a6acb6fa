"""Decisions about held copies, patients that they contradict, and proposed corrections.

New tables only.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _matched(name: str, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default=default, nullable=False)


def _key(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, KEY, nullable=nullable)


def _actor(prefix: str) -> list[sa.Column[str]]:
    return [_matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def upgrade() -> None:
    _create_decisions()
    _create_patients_and_corrections()


def _create_decisions() -> None:
    op.create_table(
        "copy_decision",
        _key("id"),
        _text("choice"),
        _text("reason_text"),
        *_actor("who"),
        _text("made_at"),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "decided_copy",
        _key("decision"),
        _key("instance"),
        *(_matched(name) for name in ("study_instance_uid", "sop_instance_uid", "new_sop_instance_uid")),
        _text("way"),
        _key("first", nullable=True),
        _key("withdrawal", nullable=True),
        _text("held_reason", ""),
        _text("digest", ""),
        sa.ForeignKeyConstraint(["decision"], ["copy_decision.id"]),
        sa.PrimaryKeyConstraint("decision", "instance"),
        sqlite_with_rowid=False,
    )
    op.create_index("decided_copy_by_uid", "decided_copy", ["sop_instance_uid"])
    _index("decided_copy_by_new_uid", "decided_copy", ["new_sop_instance_uid"], "new_sop_instance_uid <> ''")
    _index("decided_copy_by_withdrawal", "decided_copy", ["withdrawal"], "withdrawal IS NOT NULL")


def _create_patients_and_corrections() -> None:
    op.create_table(
        "patient_conflict",
        _key("instance"),
        _key("study"),
        _key("held_study"),
        *(_text(name) for name in ("known_patient_id", "known_issuer", "said_patient_id", "said_issuer")),
        sa.ForeignKeyConstraint(["instance"], ["instance.id"]),
        sa.ForeignKeyConstraint(["study"], ["study.id"]),
        sa.ForeignKeyConstraint(["held_study"], ["study.id"]),
        sa.PrimaryKeyConstraint("instance"),
    )
    op.create_index("patient_conflict_by_study", "patient_conflict", ["study"])
    op.create_index("patient_conflict_by_held_study", "patient_conflict", ["held_study"])
    op.create_table(
        "proposed_correction",
        _key("id"),
        _matched("study_instance_uid"),
        _text("differences"),
        _text("first_at"),
        _text("last_at"),
        _matched("decided_at"),
        *_actor("decided_by"),
        _text("decided_because", ""),
        sa.PrimaryKeyConstraint("id"),
    )
    _index(
        "proposed_correction_open",
        "proposed_correction",
        ["study_instance_uid"],
        "decided_at = ''",
        unique=True,
    )
    op.create_table(
        "proposed_correction_copy",
        _key("correction"),
        _matched("sop_instance_uid", None),
        _matched("digest", None),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        _text("received_at"),
        _text("received_from"),
        *_actor("brought_by"),
        sa.ForeignKeyConstraint(["correction"], ["proposed_correction.id"]),
        sa.PrimaryKeyConstraint("correction", "sop_instance_uid", "digest"),
        sqlite_with_rowid=False,
    )
