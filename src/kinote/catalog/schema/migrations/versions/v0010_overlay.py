"""Which instances go out with corrections laid over them, and when, by which system and why each value was changed.

Columns with a default: no row is touched. No correction has been made before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LIVE_INSTANCE = {
    "sqlite": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current = 1",
    "postgresql": "CREATE VIEW live_instance AS SELECT * FROM instance WHERE standing = 'live' AND is_current",
}

UIDS_RECEIVED = "attribute IN ('SOPInstanceUID', 'SeriesInstanceUID', 'StudyInstanceUID')"


def upgrade() -> None:
    op.execute("DROP VIEW live_instance")
    for table in ("study", "series", "instance"):
        op.add_column(table, sa.Column("overlay", sa.Integer(), server_default="0", nullable=False))
    op.execute(LIVE_INSTANCE[op.get_bind().dialect.name])
    for name, default in (("changed_at", ""), ("system", ""), ("reason", "CORRECT")):
        op.add_column("received_value", sa.Column(name, sa.Text(), server_default=default, nullable=False))
    op.create_index(
        "received_value_by_uid",
        "received_value",
        ["value"],
        sqlite_where=sa.text(UIDS_RECEIVED),
        postgresql_where=sa.text(UIDS_RECEIVED),
    )
