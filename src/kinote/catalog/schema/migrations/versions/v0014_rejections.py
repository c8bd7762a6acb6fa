"""What a withdrawal does: it hides, marks, or waits for a person. And on which of its instances it has no effect.

Columns with a default: no row is touched. All withdrawals of before hide what they name.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MATCHED: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

PROPOSED = "effect = 'proposed' AND undone_at IS NULL"
HAS_NOTE = "rejection_note_uid <> ''"


def upgrade() -> None:
    op.add_column("withdrawal", sa.Column("effect", MATCHED, server_default="hidden", nullable=False))
    for name in ("received", "of_key_objects"):
        op.add_column("withdrawal", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    for part in ("kind", "name", "address"):
        op.add_column(
            "withdrawal", sa.Column(f"decided_by_{part}", MATCHED, server_default="", nullable=False)
        )
    op.add_column("withdrawal", sa.Column("decided_at", sa.Text()))
    op.add_column("withdrawal", sa.Column("decided_because", sa.Text(), server_default="", nullable=False))
    op.add_column("withdrawal_target", sa.Column("spared", MATCHED, server_default="", nullable=False))
    op.add_column("withdrawal_target", sa.Column("spared_at", sa.Text()))
    for name, columns, where in (
        ("withdrawal_proposed", ["id"], PROPOSED),
        ("withdrawal_by_note", ["rejection_note_uid"], HAS_NOTE),
    ):
        op.create_index(
            name, "withdrawal", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
