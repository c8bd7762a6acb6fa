"""When studies were last used, the passes of the scrub, and an index of the presentation states that notes name.

Two new tables; no row of the others is touched. The index is made by reading all references of notes once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY: TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

COUNTS = ("objects", "bytes", "damaged", "unreadable", "renewed")


def upgrade() -> None:
    op.create_table(
        "last_use",
        sa.Column("study", KEY, nullable=False),
        sa.Column("part", MATCHED, nullable=False),
        sa.Column("used_by", MATCHED, nullable=False),
        sa.Column("hour", MATCHED, nullable=False),
        sa.ForeignKeyConstraint(["study"], ["study.id"]),
        sa.PrimaryKeyConstraint("study", "part", "used_by"),
        sqlite_with_rowid=False,
    )
    op.create_index("last_use_by_hour", "last_use", ["part", "used_by", "hour", "study"])
    op.create_table(
        "scrub_pass",
        sa.Column("id", KEY, nullable=False),
        sa.Column("begun_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("node", MATCHED, server_default="", nullable=False),
        sa.Column("last_key", KEY, nullable=False),
        sa.Column("position", KEY, server_default="0", nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in COUNTS),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "note_reference_by_state",
        "note_reference",
        ["presentation_state_uid", "version"],
        sqlite_where=sa.text("presentation_state_uid <> ''"),
        postgresql_where=sa.text("presentation_state_uid <> ''"),
    )
