"""Which job a worker does next, and the lease on it.

The jobs of one kind and destination are a line: by priority, then by when they were queued, so that one that has been
attempted goes to its end. Workers serve the kinds in turn, and of each kind its destinations in turn. So neither a kind
or destination with many jobs nor one whose jobs fail keeps the others waiting.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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

#: As the indexes of these say it: not a parameter (`instance.is_current`).
_IS_QUEUED: ColumnElement[bool] = job.c.state == literal_column("'queued'")
_IS_LEASED: ColumnElement[bool] = job.c.state == literal_column("'leased'")


@dataclass(slots=True)
class Turns:
    """Which kind, and which destination of each kind, was served last by a group of workers."""

    kind: str = ""
    destinations: dict[str, str] = field(default_factory=dict)

    def kinds(self, known: Sequence[str]) -> list[str]:
        """All kinds, those first whose turn it is."""
        ordered = sorted(known)
        after = [name for name in ordered if name > self.kind]
        return after + ordered[: len(ordered) - len(after)]

    def served(self, kind: str, destination: str) -> None:
        self.kind = kind
        self.destinations[kind] = destination


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that a worker has been given: with `attempt` as fencing token."""

    id: int
    kind: str
    destination: str
    attempt: int
    payload: str
    progress: str
    worker: str
    #: Attempts that have failed since it last came further.
    failed_before: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The jobs of a kind and destination, as far as they may be begun."""

    kind: str
    destination: str
    up_to: int | None


def claim(
    transaction: Connection, kinds: Mapping[str, JobKind], turns: Turns, worker: str, now: datetime
) -> Claimed | None:
    """Lease the next job to a worker; None where there is nothing to do."""
    # Who counts what is leased sees what others have just leased.
    dialects.lock_names(transaction, ["kinote jobs"])
    for line in open_lines(transaction, kinds, turns):
        claimed = _first_claimed(transaction, line, kinds[line.kind], worker, now)
        if claimed is not None:
            turns.served(line.kind, line.destination)
            return claimed
    return None


def _first_claimed(
    transaction: Connection, line: Line, kind: JobKind, worker: str, now: datetime
) -> Claimed | None:
    """Lease the first job of a line; None where there is none, or where the database refuses it.

    Such a job stops its own line only: not the other ones, nor the transaction, which may also settle another job.
    """
    with dialects.savepoint(transaction) as undo:
        try:
            first = found(transaction, _first_of(line), passes_over_locked=True)
            if not first:
                return None
            move(transaction, first, Event.CLAIMED, now, until=now + kind.lease, worker=worker)
            return _claimed(transaction, first[0], line, worker)
        except (IntegrityError, DataError):
            undo()
            log.exception(
                "The first job of a line cannot be taken: the line waits, the others go on",
                extra={"kind": line.kind, "destination": line.destination},
            )
            return None


def has_work(connection: Connection, kinds: Mapping[str, JobKind], turns: Turns) -> bool:
    """Whether `claim` would find something, looked up without writing."""
    return any(connection.execute(_first_of(line)).first() for line in open_lines(connection, kinds, turns))


def open_lines(connection: Connection, kinds: Mapping[str, JobKind], turns: Turns) -> Iterator[Line]:
    """The lines in which something is queued and may be begun, those first whose turn it is."""
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
            if not destination or leased[name, destination] < kinds[name].to_each:
                yield Line(name, destination, up_to)


def _destinations(connection: Connection, kind: str, last: str | None) -> Iterator[str]:
    """The destinations for which something of a kind is queued, from the one after the last on, each once."""
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


#: Whether anything at all is queued: asked after each commit of whatever kind, and mostly in vain.
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
