"""Withdrawals and the instances that they name."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, false, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata

#: Withdrawals by rejection notes that wait for a person, repeated literally from their index.
PROPOSED = "effect = 'proposed' AND undone_at IS NULL"

#: Withdrawals with a rejection note, repeated literally from their index.
HAS_NOTE = "rejection_note_uid <> ''"

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
    # What it does (`kinote.lifecycle.rejection.rules.Effect`). 'hidden' takes its instances out of use; those of a
    # 'marked' one stay live and carry the mark; a 'proposed' one waits for a person and does nothing.
    Column("effect", Matched, nullable=False, server_default="hidden"),
    # Whether a rejection note that was received asked for it. It then has no effect on other patients' instances.
    Column("received", Boolean, nullable=False, server_default=false()),
    # Whether a received note names key objects by it. They are hidden where images are only marked.
    Column("of_key_objects", Boolean, nullable=False, server_default=false()),
    # Of a proposed one: who accepted or refused it, when, and why.
    *actor("decided_by"),
    Column("decided_at", Text),
    Column("decided_because", Text, nullable=False, server_default=""),
    Index("withdrawal_proposed", "id", sqlite_where=text(PROPOSED), postgresql_where=text(PROPOSED)),
    Index(
        "withdrawal_by_note",
        "rejection_note_uid",
        sqlite_where=text(HAS_NOTE),
        postgresql_where=text(HAS_NOTE),
    ),
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
    # Why the withdrawal has no effect on this UID (`kinote.lifecycle.rejection.rules.Spared`), and since when; empty
    # if it has.
    matched("spared"),
    Column("spared_at", Text),
    Index("withdrawal_target_by_uid", "sop_instance_uid"),
)
