"""Instance Availability Notifications that are owed.

A new table; no row of the others is touched.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "owed_availability",
        sa.Column("destination", KEY, nullable=False),
        sa.Column("study_instance_uid", MATCHED, nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("due_at", MATCHED, nullable=False),
        sa.Column("at_latest", MATCHED, nullable=False),
        sa.Column("refusal", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["destination"], ["destination.id"]),
        sa.PrimaryKeyConstraint("destination", "study_instance_uid"),
    )
    op.create_index(
        "owed_availability_due",
        "owed_availability",
        ["destination", "due_at"],
        sqlite_where=sa.text("refusal = ''"),
        postgresql_where=sa.text("refusal = ''"),
    )
