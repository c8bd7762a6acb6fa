"""The clock for what a test opens by itself."""

from __future__ import annotations

from datetime import UTC, datetime


def clock() -> datetime:
    """This moment."""
    return datetime.now(UTC)
