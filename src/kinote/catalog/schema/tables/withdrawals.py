"""Withdrawals and the instances that they name."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from kinote.catalog.schema.columns import Key, Matched, key, metadata

withdrawal = Table(
    "withdrawal",
    metadata,
    key(),
    # The name of an act (`kinote.lifecycle.acts`), or the name that an earlier version used.
    Column("act", Text, nullable=False),
    Column("reason_scheme", Text, nullable=False),
    Column("reason_value", Text, nullable=False),
    Column("reason_meaning", Text, nullable=False),
    Column("reason_text", Text, nullable=False),
    # The SOP Instance UID of the rejection note, empty if there is none.
    Column("rejection_note_uid", Text, nullable=False),
    # The name of the actor. Its kind and address are below; both are empty in rows of earlier versions.
    Column("who", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("undone_at", Text),
    Column("undone_by", Text),
    Column("who_kind", Matched, nullable=False, server_default=""),
    Column("who_address", Matched, nullable=False, server_default=""),
    Column("undone_by_kind", Matched, nullable=False, server_default=""),
    Column("undone_by_address", Matched, nullable=False, server_default=""),
)

#: A UID and not a key, because a withdrawal may come before its instance.
withdrawal_target = Table(
    "withdrawal_target",
    metadata,
    Column("withdrawal", Key, ForeignKey("withdrawal.id"), primary_key=True),
    Column("sop_instance_uid", Matched, primary_key=True),
    # The only copy that is meant; NULL for whatever the UID means, now and later. It is not a reference: the row of
    # a discarded copy is gone, and its key is never used again (`dialects.never_use_keys_again`).
    Column("instance", Key),
    Index("withdrawal_target_by_uid", "sop_instance_uid"),
)
