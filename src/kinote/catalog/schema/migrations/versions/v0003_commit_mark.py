"""A row of its own for each transaction, by which a commit in doubt is looked up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commit_mark",
        sa.Column("token", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("left_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token"),
    )
