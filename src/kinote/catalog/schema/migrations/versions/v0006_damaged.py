"""An index of the instances whose bytes are damaged: few, counted with every look at the server's health."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "instance_damaged",
        "instance",
        ["study", "series"],
        sqlite_where=sa.text("residence = 'damaged'"),
        postgresql_where=sa.text("residence = 'damaged'"),
    )
