"""The journal's entries, and the backups that were made: new tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    op.create_table(
        "journal_entry",
        sa.Column("id", MATCHED, nullable=False),
        sa.Column("kind", MATCHED, nullable=False),
        sa.Column("withdrawal", KEY),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("journal_entry_by_withdrawal", "journal_entry", ["withdrawal", "kind"])
    op.create_table(
        "backup",
        sa.Column("id", KEY, nullable=False),
        _matched("state"),
        _matched("node"),
        *[_matched(f"asked_by_{part}") for part in ("kind", "name", "address")],
        sa.Column("folder", sa.Text(), nullable=False),
        _matched("begun_at"),
        _matched("ended_at"),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        _number("done"),
        _number("total"),
        _number("bytes"),
        _number("log_bytes"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("backup_by_state", "backup", ["state", "id"])
