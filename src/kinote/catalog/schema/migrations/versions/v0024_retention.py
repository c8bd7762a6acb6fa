"""Retention: rules, holds, plans, evictions. New tables and columns only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def _number(name: str, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def _actor(prefix: str) -> list[sa.Column[str]]:
    return [_matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def _index(
    name: str, table: str, columns: list[str], where: str | None = None, *, unique: bool = False
) -> None:
    clause = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=clause, postgresql_where=clause)


def upgrade() -> None:
    _make_holds()
    _make_units()
    _make_plans()
    _make_evictions()


def _make_holds() -> None:
    # Holds on patients cover those merged into them.
    _index("patient_merged", "patient", ["merged_into"], "merged_into IS NOT NULL")
    op.create_table(
        "hold",
        sa.Column("id", KEY, nullable=False),
        _matched("token"),
        _matched("kind"),
        _matched("level"),
        _matched("study_instance_uid"),
        _matched("patient_id"),
        _matched("issuer"),
        sa.Column("note", KEY),
        _text("reason"),
        _matched("placed_at"),
        *_actor("placed_by"),
        _matched("until"),
        _matched("ended_at"),
        *_actor("ended_by"),
        _text("ended_because", ""),
        sa.PrimaryKeyConstraint("id"),
    )
    _index("hold_by_token", "hold", ["token"], unique=True)
    for name, columns in (
        ("hold_of_study", ["study_instance_uid"]),
        ("hold_of_patient", ["patient_id", "issuer"]),
        ("hold_of_note", ["note"]),
    ):
        _index(name, "hold", columns, "ended_at = ''")


def _make_units() -> None:
    op.create_table(
        "retention_unit",
        sa.Column("study", KEY, nullable=False),
        sa.Column("part", MATCHED, nullable=False),
        _number("bytes"),
        _number("objects"),
        _matched("received_at"),
        _matched("sent_at"),
        *(_text(name, "") for name in ("modalities", "classes", "callers", "titles")),
        _matched("counted_at"),
        sa.ForeignKeyConstraint(["study"], ["study.id"]),
        sa.PrimaryKeyConstraint("study", "part"),
        sqlite_with_rowid=False,
    )
    _index("retention_unit_by_count", "retention_unit", ["counted_at", "study"])
    op.create_table(
        "retention_unit_archive",
        sa.Column("study", KEY, nullable=False),
        sa.Column("part", MATCHED, nullable=False),
        sa.Column("archive", KEY, nullable=False),
        _number("objects"),
        sa.Column("oldest_at", MATCHED, nullable=False),
        sa.PrimaryKeyConstraint("study", "part", "archive"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retention_hour",
        sa.Column("hour", MATCHED, nullable=False),
        _number("bytes", "0"),
        _number("objects", "0"),
        sa.PrimaryKeyConstraint("hour"),
        sqlite_with_rowid=False,
    )


def _make_plans() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("id", KEY, nullable=False),
        _text("rules"),
        _matched("saved_at"),
        *_actor("saved_by"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "retention_plan",
        sa.Column("id", KEY, nullable=False),
        sa.Column("rules", KEY),
        _matched("made_at"),
        *_actor("made_by"),
        _number("wanted"),
        _number("frees"),
        _number("objects"),
        sa.ForeignKeyConstraint(["rules"], ["retention_rules.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "retention_plan_item",
        sa.Column("plan", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("instance", KEY, nullable=False),
        _matched("sop_instance_uid"),
        _number("bytes"),
        _text("rule"),
        sa.ForeignKeyConstraint(["plan"], ["retention_plan.id"]),
        sa.PrimaryKeyConstraint("plan", "position"),
        sqlite_with_rowid=False,
    )


def _make_evictions() -> None:
    op.create_table(
        "retention_eviction",
        sa.Column("id", KEY, nullable=False),
        sa.Column("plan", KEY, nullable=False),
        sa.Column("instance", KEY, nullable=False),
        _matched("sop_instance_uid"),
        _number("bytes"),
        _text("rule"),
        _matched("at"),
        *_actor("by"),
        sa.Column("outcome", MATCHED, nullable=False),
        _text("reason", ""),
        _matched("recalled_at"),
        sa.ForeignKeyConstraint(["plan"], ["retention_plan.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    _index("retention_eviction_by_plan", "retention_eviction", ["plan", "id"])
    _index("retention_eviction_by_instance", "retention_eviction", ["instance"])
    _index("retention_eviction_by_time", "retention_eviction", ["at", "rule"])
