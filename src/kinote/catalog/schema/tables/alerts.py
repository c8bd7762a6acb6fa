"""Alerts: what a person must look at."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text, text

from kinote.catalog.schema.columns import Key, actor, key, matched, metadata

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
    # Who is to see to it; empty for nobody. And who has said so, when.
    matched("owner"),
    matched("owned_at"),
    *actor("owned_by"),
    Index("alert_open", "code", "subject", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("alert_cleared", "cleared_at", "id"),
    Index("alert_by_since", "since", "id"),
)

#: What a channel (mail, or a webhook) was last told of a condition (`kinote.alerting`).
alert_told = Table(
    "alert_told",
    metadata,
    matched("channel"),
    matched("code"),
    matched("subject"),
    # The alert that was told of. It may be gone.
    Column("alert", Key, nullable=False),
    matched("told_at"),
    # When it was told that the condition has ended; empty until then.
    matched("cleared_told_at"),
    PrimaryKeyConstraint("channel", "code", "subject"),
)

#: A channel by which alerts reach people: when it was last used.
alert_channel = Table(
    "alert_channel",
    metadata,
    matched("name"),
    matched("sent_at"),
    matched("digest_at"),
    PrimaryKeyConstraint("name"),
)
