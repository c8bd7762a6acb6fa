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


def _actor(prefix: str) -> list[sa.Column[str]]:
    return [_matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def _index(
    name: str, table: str, columns: list[str], where: str | None = None, *, unique: bool = False
) -> None:
    clause = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=clause, postgresql_where=clause)


def upgrade() -> None:
    _make_holds()


def _make_holds() -> None:
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
