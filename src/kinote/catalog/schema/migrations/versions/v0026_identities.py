"""Sign-in by other providers, limits of roles, the spool of audit messages. New tables and columns only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("peer", sa.Column("certificates", sa.Text(), server_default="[]", nullable=False))
