"""How long the audit trail is kept: a rule of its own. Whole chunks are removed, and the chain stays whole."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import audit_chunk, audit_entry
from kinote.catalog.schema.timestamps import timestamp
from kinote.security.actors import KINOTE
from kinote.security.audit.entry import AuditEvent, Concerned, Entry
from kinote.security.audit.writing import write_entries


def remove_old(
    transaction: Connection, before: datetime, now: datetime, *, keep_from: int | None = None
) -> int | None:
    """Remove the entries of the oldest chunk that ended before a moment; return how many, None if there is no such
    chunk.

    Chunks from `keep_from` on stay. What was removed is an entry itself. The digest of the chunk stays.
    """
    query = select(audit_chunk.c.id, audit_chunk.c.last_at)
    if keep_from is not None:
        query = query.where(audit_chunk.c.id < keep_from)
    oldest = transaction.execute(
        query.where(audit_chunk.c.last_at < timestamp(before), audit_chunk.c.removed_at == "")
        .order_by(audit_chunk.c.last_at, audit_chunk.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if oldest is None:
        return None
    removed = transaction.execute(audit_entry.delete().where(audit_entry.c.chunk == oldest.id)).rowcount
    transaction.execute(
        audit_chunk.update().where(audit_chunk.c.id == oldest.id).values(removed_at=timestamp(now))
    )
    entry = Entry(
        AuditEvent.TRAIL_REMOVED,
        KINOTE,
        concerned=Concerned(subject=f"chunk {oldest.id}"),
        detail={"entries": removed, "until": oldest.last_at},
    )
    write_entries(transaction, [(entry, now)])
    return removed
