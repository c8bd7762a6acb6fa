"""Making jobs, in the transaction of the data that they serve; waking those that wait, cancelling what is pointless."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, literal_column, select

from kinote.catalog.schema.tables import job, job_event
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects, statements
from kinote.catalog.transactions.announcements import note_changes
from kinote.jobs.kinds import JobKind
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, found, move
from kinote.jobs.states import MADE, Event, State
from kinote.telemetry.clock import Clock

#: Characters of a payload at most. A job covers a batch: what belongs to each object is in a table of its kind.
LONGEST_PAYLOAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job that is to be done, and whether it has been made now or was there already."""

    id: int
    is_new: bool


def enqueue(
    transaction: Connection,
    kind: JobKind,
    payload: Mapping[str, Any],
    *,
    clock: Clock,
    actor: str,
    destination: str = "",
    natural_key: str = "",
    priority: int | None = None,
) -> Enqueued:
    """Have something done once this transaction has committed.

    Where a job of the kind with this natural key has not ended, it is that one. Raises ValueError for a payload that
    is too long. It is for who has been asked by a person to see first that the queue accepts jobs
    (`kinote.jobs.queues.see_that_it_accepts`): what follows from data is never refused.
    """
    written = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    if len(written) > LONGEST_PAYLOAD:
        raise ValueError(
            f"The payload of a job has {len(written)} characters, {LONGEST_PAYLOAD} at most are kept: "
            "a batch of objects belongs in a table of its kind."
        )
    if natural_key:
        # Of two who make the same job at once, the second finds that of the first.
        dialects.lock_names(transaction, [_name(kind.name, natural_key)])
        known = transaction.execute(
            select(job.c.id).where(_is_under_way(kind, natural_key))
        ).scalar_one_or_none()
        if known is not None:
            return Enqueued(known, is_new=False)
    now = timestamp(moment_of(transaction, clock))
    (key,) = statements.reserve_ids(transaction, job, 1)
    row = {
        "id": key,
        "kind": kind.name,
        "destination": destination,
        "natural_key": natural_key,
        "priority": kind.priority if priority is None else priority,
        "state": str(State.QUEUED),
        "payload": written,
        "attempts": kind.attempts,
        "attempts_allowed": kind.attempts,
        "made_at": now,
        "changed_at": now,
    }
    statements.insert_rows(transaction, job, [row])
    made = {
        "job": key,
        "happened_at": now,
        "event": MADE,
        "from_state": "",
        "to_state": str(State.QUEUED),
        "attempt": 0,
        "actor": actor,
        "reason": "",
    }
    statements.insert_rows(transaction, job_event, [made])
    note_changes(transaction)
    return Enqueued(key, is_new=True)


def lock_natural_keys(transaction: Connection, keys: Sequence[int]) -> None:
    """Let nobody else make a job under a natural key of one of these jobs until the transaction ends."""
    rows = transaction.execute(
        select(job.c.kind, job.c.natural_key).where(job.c.id.in_(keys), job.c.natural_key != "")
    )
    dialects.lock_names(transaction, [_name(row.kind, row.natural_key) for row in rows])


def _name(kind: str, natural_key: str) -> str:
    return f"kinote job {kind} {natural_key}"


def is_dead(connection: Connection, kind: JobKind, natural_key: str) -> bool:
    """Whether a job under a natural key could not be done, and nobody has seen to it yet."""
    query = select(job.c.id).where(
        job.c.state == State.DEAD, job.c.kind == kind.name, job.c.natural_key == natural_key
    )
    return connection.execute(query.limit(1)).first() is not None


def wake(transaction: Connection, kind: JobKind, natural_key: str, *, clock: Clock) -> bool:
    """What a job waits for has happened; False where none waits."""
    waiting = found(
        transaction,
        FOUND.where(_is_under_way(kind, natural_key), job.c.state == State.WAITING),
    )
    move(transaction, waiting, Event.WOKEN, moment_of(transaction, clock))
    return bool(waiting)


def cancel(
    transaction: Connection, kind: JobKind, natural_key: str, *, actor: str, reason: str, clock: Clock
) -> bool:
    """Cancel a job that has become pointless, in the transaction that makes it so; False where there is none.

    A worker that is at it can write nothing more from here on.
    """
    pointless = found(transaction, FOUND.where(_is_under_way(kind, natural_key)))
    move(transaction, pointless, Event.CANCELLED, moment_of(transaction, clock), actor=actor, reason=reason)
    return bool(pointless)


def _is_under_way(kind: JobKind, natural_key: str) -> ColumnElement[bool]:
    """Of the jobs of a kind, the one under a natural key that has not ended."""
    return and_(
        job.c.kind == kind.name,
        job.c.natural_key == natural_key,
        # As the index of these says it.
        job.c.natural_key != literal_column("''"),
        job.c.ended_at.is_(None),
    )
