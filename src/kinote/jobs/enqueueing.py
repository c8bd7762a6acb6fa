"""Enqueueing jobs in the transaction of the data that they serve; waking and cancelling them."""

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

#: Maximum characters of a payload. Data about each object of a batch belongs in a table of the job's kind.
LONGEST_PAYLOAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The id of a job, and whether it is new or was already there."""

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
    """Enqueue a job, which runs once this transaction has committed.

    If a job with the same kind and natural key has not ended, returns that one. `priority` defaults to that of the
    kind. For requests by people, call `kinote.jobs.queues.require_accepting` first; jobs that follow from data are
    never refused. Raises `ValueError` if the payload is too long.
    """
    written = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    if len(written) > LONGEST_PAYLOAD:
        raise ValueError(
            f"The payload of a job has {len(written)} characters; at most {LONGEST_PAYLOAD} are allowed. "
            "A batch of objects belongs in a table of the job's kind."
        )
    if natural_key:
        # If two transactions enqueue the same job at once, the second finds the job of the first.
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
    first_event = {
        "job": key,
        "happened_at": now,
        "event": MADE,
        "from_state": "",
        "to_state": str(State.QUEUED),
        "attempt": 0,
        "actor": actor,
        "reason": "",
    }
    statements.insert_rows(transaction, job_event, [first_event])
    note_changes(transaction)
    return Enqueued(key, is_new=True)


def lock_natural_keys(transaction: Connection, keys: Sequence[int]) -> None:
    """Keep others from enqueueing jobs with the natural keys of these jobs until the transaction ends."""
    rows = transaction.execute(
        select(job.c.kind, job.c.natural_key).where(job.c.id.in_(keys), job.c.natural_key != "")
    )
    dialects.lock_names(transaction, [_name(row.kind, row.natural_key) for row in rows])


def _name(kind: str, natural_key: str) -> str:
    return f"kinote job {kind} {natural_key}"


def is_dead(connection: Connection, kind: JobKind, natural_key: str) -> bool:
    """Return whether a job with this natural key is dead."""
    query = select(job.c.id).where(
        job.c.state == State.DEAD, job.c.kind == kind.name, job.c.natural_key == natural_key
    )
    return connection.execute(query.limit(1)).first() is not None


def wake(transaction: Connection, kind: JobKind, natural_key: str, *, clock: Clock) -> bool:
    """Wake the job with this natural key, because what it waits for has happened. Returns whether one was waiting."""
    waiting = found(
        transaction,
        FOUND.where(_is_under_way(kind, natural_key), job.c.state == State.WAITING),
    )
    move(transaction, waiting, Event.WOKEN, moment_of(transaction, clock))
    return bool(waiting)


def cancel(
    transaction: Connection, kind: JobKind, natural_key: str, *, actor: str, reason: str, clock: Clock
) -> bool:
    """Cancel the job with this natural key, in the transaction that makes it pointless. Returns whether there was one.

    A worker that is running the job can no longer write anything for it.
    """
    pointless = found(transaction, FOUND.where(_is_under_way(kind, natural_key)))
    move(transaction, pointless, Event.CANCELLED, moment_of(transaction, clock), actor=actor, reason=reason)
    return bool(pointless)


def set_priority(transaction: Connection, kind: JobKind, natural_key: str, priority: int) -> None:
    """Change the priority of the job with this natural key, if there is one that has not ended."""
    transaction.execute(job.update().where(_is_under_way(kind, natural_key)).values(priority=priority))


def _is_under_way(kind: JobKind, natural_key: str) -> ColumnElement[bool]:
    """Return the condition for the unended job of a kind with a natural key."""
    return and_(
        job.c.kind == kind.name,
        job.c.natural_key == natural_key,
        # Repeats the WHERE clause of the partial index literally, so that SQLite uses it.
        job.c.natural_key != literal_column("''"),
        job.c.ended_at.is_(None),
    )
