"""Choosing the next job for a worker, and leasing it.

The jobs of one kind and destination form a line, ordered by priority and then by the time they were queued. A job that
was attempted goes to the end of its line. Workers serve the kinds in turn, and within each kind its destinations in
turn. So a kind or destination with many jobs, or with failing ones, does not keep the others waiting.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, literal_column, select
from sqlalchemy.exc import DataError, IntegrityError

from kinote.catalog.schema.tables import job
from kinote.catalog.sql import dialects
from kinote.catalog.sql.statements import FindOne
from kinote.jobs.kinds import JobKind
from kinote.jobs.moving import FOUND, Found, found, move
from kinote.jobs.queues import queues
from kinote.jobs.states import Event

log = logging.getLogger(__name__)

#: Repeat the WHERE clauses of partial indexes literally, so that SQLite uses them.
_IS_QUEUED: ColumnElement[bool] = job.c.state == literal_column("'queued'")
_IS_LEASED: ColumnElement[bool] = job.c.state == literal_column("'leased'")


#: Returns the destinations whose jobs are to wait now, by name.
Held = Callable[[Connection], Collection[str]]


@dataclass(slots=True)
class Turns:
    """The kind, and the destination of each kind, that a group of workers has served last."""

    kind: str = ""
    destinations: dict[str, str] = field(default_factory=dict)

    def kinds(self, known: Sequence[str]) -> list[str]:
        """Return all kinds, beginning with the one whose turn it is."""
        ordered = sorted(known)
        after = [name for name in ordered if name > self.kind]
        return after + ordered[: len(ordered) - len(after)]

    def served(self, kind: str, destination: str) -> None:
        """Record that a job of this kind and destination was leased."""
        self.kind = kind
        self.destinations[kind] = destination


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job leased to a worker. `attempt` is the fencing token."""

    id: int
    kind: str
    destination: str
    attempt: int
    payload: str
    progress: str
    worker: str
    #: Failed attempts since the job last made progress.
    failed_before: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The jobs of a kind and destination that may be begun. `up_to` is the largest id that may; None for all."""

    kind: str
    destination: str
    up_to: int | None


def nothing_held(_connection: Connection) -> Collection[str]:
    """No destination is left alone."""
    return ()


def claim(
    transaction: Connection,
    kinds: Mapping[str, JobKind],
    turns: Turns,
    worker: str,
    now: datetime,
    held: Held = nothing_held,
) -> Claimed | None:
    """Lease the next job to a worker. Returns None if there is nothing to do. Jobs for what is `held` wait."""
    # The lock makes sure that the counts of leased jobs include those that other servers have just leased.
    dialects.lock_names(transaction, ["kinote jobs"])
    for line in open_lines(transaction, kinds, turns, held):
        claimed = _first_claimed(transaction, line, kinds[line.kind], worker, now)
        if claimed is not None:
            turns.served(line.kind, line.destination)
            return claimed
    return None


def _first_claimed(
    transaction: Connection, line: Line, kind: JobKind, worker: str, now: datetime
) -> Claimed | None:
    """Lease the first job of a line. Returns None if there is none, or if the database refuses the change.

    A refused job blocks only its own line. Other lines go on, and so does the transaction, which may also settle
    another job.
    """
    with dialects.savepoint(transaction) as undo:
        try:
            first = found(transaction, _first_of(line), skips_locked=True)
            if not first:
                return None
            move(transaction, first, Event.CLAIMED, now, until=now + kind.lease, worker=worker)
            return _claimed(transaction, first[0], line, worker)
        except (IntegrityError, DataError):
            undo()
            log.exception(
                "The first job of a line cannot be leased; the line waits, the others go on",
                extra={"kind": line.kind, "destination": line.destination},
            )
            return None


def has_work(
    connection: Connection, kinds: Mapping[str, JobKind], turns: Turns, held: Held = nothing_held
) -> bool:
    """Return whether `claim` would find a job, without writing anything."""
    return any(
        connection.execute(_first_of(line)).first() for line in open_lines(connection, kinds, turns, held)
    )


def open_lines(
    connection: Connection, kinds: Mapping[str, JobKind], turns: Turns, held: Held = nothing_held
) -> Iterator[Line]:
    """Yield the lines with queued jobs that may be begun, in turn, except those of destinations that are held."""
    left_alone: Collection[str] | None = None
    known_queues = queues(connection)
    leased: Counter[tuple[str, str]] = Counter()
    of_kind: Counter[str] = Counter()
    for row in connection.execute(_LEASED):
        leased[row.kind, row.destination] += row.number
        of_kind[row.kind] += row.number
    for name in turns.kinds(list(kinds)):
        queue = known_queues.get(name)
        if (queue is not None and not queue.state.executes) or of_kind[name] >= kinds[name].at_once:
            continue
        up_to = None if queue is None else queue.drains_to
        for destination in _destinations(connection, name, turns.destinations.get(name)):
            if destination and leased[name, destination] >= kinds[name].to_each:
                continue
            if destination and left_alone is None:
                left_alone = held(connection)
            if not destination or destination not in (left_alone or ()):
                yield Line(name, destination, up_to)


def _destinations(connection: Connection, kind: str, last: str | None) -> Iterator[str]:
    """Yield the destinations with queued jobs of a kind, each once, beginning after the last one served."""
    at = last
    gone_round = last is None
    while True:
        query = _FIRST_DESTINATION if at is None else _FIRST_DESTINATION.where(job.c.destination > at)
        found_destination = connection.execute(query, {"kind": kind}).scalar_one_or_none()
        if found_destination is None:
            if gone_round:
                return
            gone_round, at = True, None
            continue
        if gone_round and last is not None and found_destination > last:
            return
        yield found_destination
        at = found_destination


def _first_of(line: Line) -> Select[Any]:
    query = FOUND.where(_IS_QUEUED, job.c.kind == line.kind, job.c.destination == line.destination)
    if line.up_to is not None:
        query = query.where(job.c.id <= line.up_to)
    return query.order_by(job.c.priority, job.c.changed_at, job.c.id).limit(1)


def _claimed(transaction: Connection, job_found: Found, line: Line, worker: str) -> Claimed:
    row = transaction.execute(
        select(job.c.attempt, job.c.payload, job.c.progress).where(job.c.id == job_found.id)
    ).one()
    return Claimed(
        job_found.id,
        line.kind,
        line.destination,
        row.attempt,
        row.payload,
        row.progress,
        worker,
        job_found.failures,
    )


#: Finds out whether anything is queued. Asked after every commit, mostly with the answer no, so it must be fast.
ANY_QUEUED = FindOne(select(job.c.id).where(_IS_QUEUED).limit(1))

_LEASED = (
    select(job.c.kind, job.c.destination, func.count().label("number"))
    .where(_IS_LEASED)
    .group_by(job.c.kind, job.c.destination)
)
_FIRST_DESTINATION = (
    select(job.c.destination)
    .where(_IS_QUEUED, job.c.kind == bindparam("kind"))
    .order_by(job.c.destination)
    .limit(1)
)
