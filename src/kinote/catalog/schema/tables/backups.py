"""The journal's entries, and the backups that were made."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from kinote.catalog.schema.columns import Key, Matched, actor, key, matched, metadata

#: Which entries of the journal of rare acts this index knows (`kinote.catalog.journal`): each is written in the
#: transaction of its act. An index that was restored from a backup lacks those of later acts.
journal_entry = Table(
    "journal_entry",
    metadata,
    # Random, as in the journal.
    Column("id", Matched, primary_key=True),
    # `kinote.catalog.journal.Kind`.
    Column("kind", Matched, nullable=False),
    # The withdrawal that it is about. It is not a reference: an act may be about none.
    Column("withdrawal", Key),
    Column("made_at", Text, nullable=False),
    Index("journal_entry_by_withdrawal", "withdrawal", "kind"),
)

#: Backups, made and tried (`kinote.backup`).
backup = Table(
    "backup",
    metadata,
    key(),
    # 'running', 'good' or 'failed'.
    matched("state"),
    # The node that makes it, while it runs.
    matched("node"),
    *actor("asked_by"),
    Column("folder", Text, nullable=False),
    matched("begun_at"),
    matched("ended_at"),
    # Why it failed, as a sentence.
    Column("reason", Text, nullable=False, server_default=""),
    # What it is about now, and how far it has come.
    Column("step", Text, nullable=False, server_default=""),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0"),
    # Its size, and how large the write-ahead log of SQLite became meanwhile, in bytes.
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("log_bytes", BigInteger, nullable=False, server_default="0"),
    Index("backup_by_state", "state", "id"),
)
