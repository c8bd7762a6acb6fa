"""Withdrawals that wait for a second person. A new table only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def _actor(prefix: str) -> list[sa.Column[str]]:
    return [_matched(f"{prefix}_{part}") for part in ("kind", "name", "address")]


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, "withdrawal_request", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def upgrade() -> None:
    op.create_table(
        "withdrawal_request",
        sa.Column("id", KEY, nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        _matched("act"),
        sa.Column("reason_text", sa.Text(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        *_actor("asked_by"),
        _matched("asked_at"),
        _matched("expires_at"),
        _matched("decision"),
        *_actor("decided_by"),
        _matched("decided_at"),
        sa.Column("decided_because", sa.Text(), server_default="", nullable=False),
        sa.Column("withdrawal", KEY, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["withdrawal"], ["withdrawal.id"]),
    )
    _index("withdrawal_request_waiting", ["expires_at", "id"], "decision = ''")
    _index("withdrawal_request_of_withdrawal", ["withdrawal"], "withdrawal IS NOT NULL")
