"""Withdrawals that wait for a second person."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from kinote.catalog.schema.columns import Key, actor, key, matched, metadata

#: Requests that nobody has decided, repeated literally from their index.
WAITS = "decision = ''"

#: Withdrawals of whole series or studies that were asked for and have no effect until somebody else confirms them
#: (`kinote.lifecycle.second_person`).
withdrawal_request = Table(
    "withdrawal_request",
    metadata,
    key(),
    # What was asked for, as the REST API takes it, in JSON.
    Column("asked", Text, nullable=False),
    matched("act"),
    Column("reason_text", Text, nullable=False),
    # How many instances were live when it was asked for.
    Column("instances", Integer, nullable=False),
    *actor("asked_by"),
    matched("asked_at"),
    # After this moment nobody can confirm it.
    matched("expires_at"),
    # 'confirmed', 'refused' or 'expired'; empty while it waits. By whom, when and why.
    matched("decision"),
    *actor("decided_by"),
    matched("decided_at"),
    Column("decided_because", Text, nullable=False, server_default=""),
    # The withdrawal that it became.
    Column("withdrawal", Key, ForeignKey("withdrawal.id")),
    Index(
        "withdrawal_request_waiting",
        "expires_at",
        "id",
        sqlite_where=text(WAITS),
        postgresql_where=text(WAITS),
    ),
    Index(
        "withdrawal_request_of_withdrawal",
        "withdrawal",
        sqlite_where=text("withdrawal IS NOT NULL"),
        postgresql_where=text("withdrawal IS NOT NULL"),
    ),
)
