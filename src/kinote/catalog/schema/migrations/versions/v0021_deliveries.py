"""Deliveries: what was asked for, and its manifest. New tables and columns only."""

from __future__ import annotations

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
