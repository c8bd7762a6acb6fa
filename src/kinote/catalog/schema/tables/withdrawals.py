"""Withdrawals, the instances that they name, the rejection notes behind them, and who was given or is owed what."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, false, text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata, to

#: Withdrawals whose undo window is open, repeated literally from their index.
WINDOW_IS_OPEN = "closed_at IS NULL AND undone_at IS NULL"

#: Deliveries that are still to be made, in the same way.
IS_OWED = "state = 'owed'"

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
    # The SOP Instance UID of the first rejection note that is live, empty if there is none.
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
    # When its undo window is to close. That it has closed is a fact of its own, which the clock cannot undo: then its
    # rejection notes are live.
    Column("closes_at", Matched, nullable=False, server_default=""),
    Column("closed_at", Text),
    # How many UIDs it names.
    Column("instance_count", Integer, nullable=False, server_default="0"),
    Index(
        "withdrawal_open",
        "closes_at",
        "id",
        sqlite_where=text(WINDOW_IS_OPEN),
        postgresql_where=text(WINDOW_IS_OPEN),
    ),
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

#: The rejection notes behind withdrawals made here, one for each study. Until the undo window closes, this is all
#: there is of one: it has no instance, so that nothing can show, count or send it.
rejection_note = Table(
    "rejection_note",
    metadata,
    key(),
    to("withdrawal", "withdrawal.id", nullable=False),
    matched("study_instance_uid"),
    matched("sop_instance_uid"),
    # Its bytes, and the rows that it will have as JSON, compressed (`kinote.notes.creator.prepared`). Both are NULL
    # once it is live: then instance and note have them.
    Column("dataset", LargeBinary),
    Column("prepared", LargeBinary),
    Index("rejection_note_by_withdrawal", "withdrawal"),
    Index("rejection_note_by_uid", "sop_instance_uid", unique=True),
)

#: What other systems were given, and what they are owed: one row for each object and receiver.
delivery = Table(
    "delivery",
    metadata,
    # A UID and not a key: a rejection note is owed before it has an instance.
    Column("sop_instance_uid", Matched, primary_key=True),
    # The receiver: a peer that is known; or 0, and the address to which it was sent.
    Column("peer", Key, primary_key=True),
    Column("address", Matched, primary_key=True),
    # 'given', 'unknown' (sent, and not answered), 'failed' or 'owed'.
    Column("state", Matched, nullable=False),
    # The last answer of the receiver, in words or as a status.
    Column("answer", Text, nullable=False, server_default=""),
    # By which service it went out last; empty if it never did.
    Column("way", Text, nullable=False, server_default=""),
    # When the receiver was given it last, for all that is known; NULL if it never was.
    Column("given_at", Text),
    # Why it is owed: the withdrawal that is to be told of, or that was undone.
    Column("withdrawal", Key),
    Column("changed_at", Text, nullable=False),
    Index("delivery_owed", "peer", "address", sqlite_where=text(IS_OWED), postgresql_where=text(IS_OWED)),
    Index(
        "delivery_by_withdrawal",
        "withdrawal",
        sqlite_where=text("withdrawal IS NOT NULL"),
        postgresql_where=text("withdrawal IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
