"""Owners of alerts, and who was told of them.

New tables, an index, and columns of the small table `alert`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _matched(name: str) -> sa.Column[str]:
    return sa.Column(name, MATCHED, server_default="", nullable=False)


def upgrade() -> None:
    for name in ("owner", "owned_at", "owned_by_kind", "owned_by_name", "owned_by_address"):
        op.add_column("alert", _matched(name))
    op.create_index("alert_by_since", "alert", ["since", "id"])
    op.create_table(
        "alert_told",
        _matched("channel"),
        _matched("code"),
        _matched("subject"),
        sa.Column("alert", KEY, nullable=False),
        _matched("told_at"),
        _matched("cleared_told_at"),
        sa.PrimaryKeyConstraint("channel", "code", "subject"),
    )
    op.create_table(
        "alert_channel",
        _matched("name"),
        _matched("sent_at"),
        _matched("digest_at"),
        sa.PrimaryKeyConstraint("name"),
    )
