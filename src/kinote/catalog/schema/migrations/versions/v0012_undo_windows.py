"""Undo windows of withdrawals, rejection notes that are not live yet, and what other systems were given and are owed.

The windows of all earlier withdrawals are closed: their rejection notes are live. Nothing is known of what was given to
others before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _matched(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default=default, nullable=False)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.add_column("withdrawal", _matched("closes_at", ""))
    op.add_column("withdrawal", sa.Column("closed_at", sa.Text()))
    op.add_column("withdrawal", sa.Column("instance_count", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE withdrawal SET closes_at = made_at, closed_at = made_at, instance_count = "
        "(SELECT count(*) FROM withdrawal_target t WHERE t.withdrawal = withdrawal.id)"
    )
    _index("withdrawal_open", "withdrawal", ["closes_at", "id"], "closed_at IS NULL AND undone_at IS NULL")
    op.create_table(
        "rejection_note",
        sa.Column("id", KEY, nullable=False),
        sa.Column("withdrawal", KEY, nullable=False),
        _matched("study_instance_uid", ""),
        _matched("sop_instance_uid", ""),
        sa.Column("dataset", sa.LargeBinary()),
        sa.Column("prepared", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["withdrawal"], ["withdrawal.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rejection_note_by_withdrawal", "rejection_note", ["withdrawal"])
    op.create_index("rejection_note_by_uid", "rejection_note", ["sop_instance_uid"], unique=True)
    op.execute(
        "INSERT INTO rejection_note (withdrawal, study_instance_uid, sop_instance_uid) "
        "SELECT min(w.id), min(s.study_instance_uid), i.sop_instance_uid FROM withdrawal w "
        "JOIN instance i ON i.sop_instance_uid = w.rejection_note_uid AND i.is_current "
        "JOIN study s ON s.id = i.study WHERE w.rejection_note_uid <> '' GROUP BY i.sop_instance_uid"
    )
    op.create_table(
        "delivery",
        _matched("sop_instance_uid"),
        sa.Column("peer", KEY, nullable=False),
        _matched("address"),
        _matched("state"),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("way", sa.Text(), server_default="", nullable=False),
        sa.Column("given_at", sa.Text()),
        sa.Column("withdrawal", KEY),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "peer", "address"),
        sqlite_with_rowid=False,
    )
    _index("delivery_owed", "delivery", ["peer", "address"], "state = 'owed'")
    _index("delivery_by_withdrawal", "delivery", ["withdrawal"], "withdrawal IS NOT NULL")
