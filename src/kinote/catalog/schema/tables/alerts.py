"""Alerts: what a person must look at."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, text

from kinote.catalog.schema.columns import actor, key, matched, metadata

_OPEN = text("cleared_at = ''")

#: Conditions that hold or have held (`kinote.holdings.alerts`). A row is open until its condition no longer holds.
alert = Table(
    "alert",
    metadata,
    key(),
    # The code of the condition, and what it is about; empty if there is only one.
    matched("code"),
    matched("subject"),
    # 'info', 'warning' or 'error'.
    Column("severity", Text, nullable=False),
    # What is wrong and what to do, as it was when it was last looked at.
    Column("sentence", Text, nullable=False),
    Column("since", Text, nullable=False),
    matched("cleared_at"),
    # Empty until somebody does it.
    matched("acknowledged_at"),
    *actor("acknowledged_by"),
    matched("snoozed_until"),
    *actor("snoozed_by"),
    Index("alert_open", "code", "subject", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("alert_cleared", "cleared_at", "id"),
)
