"""Availability that peers have told. A new table only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "told_availability",
        sa.Column("sop_instance_uid", MATCHED, nullable=False),
        sa.Column("peer", KEY, nullable=False),
        sa.Column("study_instance_uid", MATCHED, nullable=False),
        sa.Column("availability", MATCHED, nullable=False),
        sa.Column("retrieve_ae_title", MATCHED, nullable=False),
        sa.Column("told_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "peer"),
        sqlite_with_rowid=False,
    )
    op.create_index("told_availability_by_study", "told_availability", ["study_instance_uid", "peer"])
