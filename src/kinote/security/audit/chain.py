"""The hash chain of the audit trail.

Writers of entries do not wait for each other: the chain is not over single entries, but over chunks of those that have
been committed. One transaction at a time takes the entries without a chunk, in the order of their keys, and makes the
next chunk of them. Its digest is SHA-256 of the digest before it and of everything that its entries say. An entry
whose transaction ends later belongs to a later chunk.

So whatever is altered, removed or added within the chain is found. Entries of the last minute are not sealed yet. The
digest of each chunk is logged, too: whoever rewrites the whole chain, or cuts off its end, must alter the log as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import audit_chunk, audit_entry
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.security.audit.entry import AuditEvent

#: Entries of one chunk at most.
MOST = 1000

#: What precedes the first chunk.
_BEGINNING = hashlib.sha256(b"kinote audit trail").hexdigest()

_SAID = (
    audit_entry.c.id,
    audit_entry.c.at,
    audit_entry.c.event,
    audit_entry.c.outcome,
    audit_entry.c.by_kind,
    audit_entry.c.by_name,
    audit_entry.c.by_address,
    audit_entry.c.patient_id,
    audit_entry.c.study_instance_uid,
    audit_entry.c.subject,
    audit_entry.c.detail,
)


@dataclass(frozen=True, slots=True)
class SealedChunk:
    """A chunk of the chain."""

    id: int
    entries: int
    digest: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of checking some chunks: how many, of how many entries, what is wrong, and the last digest.

    `after` is the chunk to go on after; None at the end.
    """

    chunks: int
    entries: int
    faults: tuple[str, ...]
    digest: str
    after: int | None


def seal(transaction: Connection, now: datetime) -> SealedChunk | None:
    """Make the next chunk of the chain; None if there is nothing to seal."""
    dialects.lock_names(transaction, ["audit chain"])
    rows = transaction.execute(
        select(*_SAID).where(audit_entry.c.chunk.is_(None)).order_by(audit_entry.c.id).limit(MOST)
    ).all()
    if not rows:
        return None
    before = transaction.execute(
        select(audit_chunk.c.id, audit_chunk.c.digest).order_by(audit_chunk.c.id.desc()).limit(1)
    ).first()
    key = before.id + 1 if before else 1
    digest = _digest(before.digest if before else _BEGINNING, key, rows)
    values: dict[str, Any] = {
        "id": key,
        "entries": len(rows),
        "last_at": max(row.at for row in rows),
        "digest": digest,
        "sealed_at": timestamp(now),
    }
    transaction.execute(audit_chunk.insert(), values)
    transaction.execute(
        audit_entry.update().where(audit_entry.c.id.in_([row.id for row in rows])).values(chunk=key)
    )
    return SealedChunk(key, len(rows), digest)


def check_chain(connection: Connection, after: int = 0, limit: int = 100) -> Checked:
    """Compare chunks with their entries, beginning after one.

    Entries that were removed by the rule of keeping are not compared; their chunk still belongs to the chain. An entry
    says of each removal that it was made, until it has become old itself: then chunks after it were removed as well.
    """
    digest = _BEGINNING
    faults: list[str] = []
    if after:
        known = connection.execute(select(audit_chunk.c.digest).where(audit_chunk.c.id == after)).scalar()
        if known is None:
            return Checked(0, 0, (f"Chunk {after} of the audit trail is missing.",), "", None)
        digest = known
    chunks = connection.execute(
        select(audit_chunk).where(audit_chunk.c.id > after).order_by(audit_chunk.c.id).limit(limit)
    ).all()
    entries = 0
    expected = after
    removed_up_to = _removed_up_to(connection)
    for chunk in chunks:
        expected += 1
        if chunk.id != expected:
            faults.append(f"Chunks {expected} to {chunk.id - 1} of the audit trail are missing.")
            expected = chunk.id
        rows = list(_entries(connection, chunk.id))
        entries += len(rows)
        if chunk.removed_at:
            if rows:
                faults.append(f"Chunk {chunk.id} of the audit trail was removed, and has entries.")
            elif chunk.id > removed_up_to:
                faults.append(f"Chunk {chunk.id} of the audit trail was removed, and no entry says so.")
        elif len(rows) != chunk.entries:
            faults.append(
                f"Chunk {chunk.id} of the audit trail has {len(rows)} entries instead of {chunk.entries}."
            )
        elif _digest(digest, chunk.id, rows) != chunk.digest:
            faults.append(
                f"Chunk {chunk.id} of the audit trail, sealed {chunk.sealed_at}, was altered after that, or the "
                "chunk before it was."
            )
        digest = chunk.digest
    following = chunks[-1].id if len(chunks) == limit else None
    return Checked(len(chunks), entries, tuple(faults), digest if chunks or after else "", following)


def unsealed(connection: Connection) -> int:
    """Return how many entries belong to no chunk yet."""
    query = select(func.count()).select_from(audit_entry).where(audit_entry.c.chunk.is_(None))
    return int(connection.execute(query).scalar_one())


def _removed_up_to(connection: Connection) -> int:
    """Return the last chunk of which an entry says that it was removed; they are removed in their order."""
    query = (
        select(audit_entry.c.subject)
        .where(audit_entry.c.event == str(AuditEvent.TRAIL_REMOVED))
        .order_by(audit_entry.c.at.desc(), audit_entry.c.id.desc())
        .limit(MOST)
    )
    numbers = (subject.removeprefix("chunk ") for subject in connection.execute(query).scalars())
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def _entries(connection: Connection, chunk: int) -> Iterator[Any]:
    query = select(*_SAID).where(audit_entry.c.chunk == chunk).order_by(audit_entry.c.id)
    yield from connection.execute(query)


def _digest(before: str, chunk: int, rows: Iterable[Any]) -> str:
    digest = hashlib.sha256(f"{before}\n{chunk}\n".encode())
    for row in rows:
        digest.update(json.dumps(list(row), ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()
