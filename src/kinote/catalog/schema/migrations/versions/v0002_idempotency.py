"""Requests that were carried out under a key of their client, with their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "answered_request",
        sa.Column("id", KEY, nullable=False),
        sa.Column("actor", MATCHED, server_default="", nullable=False),
        sa.Column("key", MATCHED, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("actor", "key", name="answered_request_by_key"),
    )
    op.create_index("answered_request_by_time", "answered_request", ["answered_at"], unique=False)
