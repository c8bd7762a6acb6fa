"""The queues, one for each kind of job, and their states, which people set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import job, job_queue
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.announcements import note_changes
from kinote.jobs.moments import moment_of
from kinote.telemetry.clock import Clock


class QueueState(StrEnum):
    """The state of a queue."""

    #: Jobs are accepted and run.
    RUNNING = "running"
    #: Jobs are accepted, but none is begun.
    ACCEPTING = "accepting"
    #: Existing jobs are run. Further requests by people are refused; jobs that follow from data wait.
    DRAINING = "draining"
    #: No job is begun, and requests by people are refused.
    HALTED = "halted"

    @property
    def accepts(self) -> bool:
        return self in (QueueState.RUNNING, QueueState.ACCEPTING)

    @property
    def executes(self) -> bool:
        return self in (QueueState.RUNNING, QueueState.DRAINING)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a kind of job, and who set its state, when and why. By default it is running."""

    kind: str
    state: QueueState = QueueState.RUNNING
    #: The id of the last job that a draining queue still runs.
    drains_to: int | None = None
    actor: str = ""
    reason: str = ""
    changed_at: str | None = None


class QueueClosedError(RuntimeError):
    """A queue refuses requests by people. The message says why, and what to do."""


def queues(connection: Connection) -> dict[str, Queue]:
    """Return the queues whose state was set, by kind. All others are running."""
    query = select(
        job_queue.c.kind,
        job_queue.c.state,
        job_queue.c.drains_to,
        job_queue.c.actor,
        job_queue.c.reason,
        job_queue.c.changed_at,
    )
    return {
        row.kind: Queue(row.kind, QueueState(row.state), row.drains_to, row.actor, row.reason, row.changed_at)
        for row in connection.execute(query)
    }


def set_queue(
    transaction: Connection, kind: str, state: QueueState, *, actor: str, reason: str, clock: Clock
) -> Queue:
    """Set the state of a queue and return the queue."""
    dialects.lock_names(transaction, [f"kinote queue {kind}"])
    drains_to = None
    if state is QueueState.DRAINING:
        drains_to = transaction.execute(select(func.max(job.c.id))).scalar_one() or 0
    changed_at = timestamp(moment_of(transaction, clock))
    transaction.execute(job_queue.delete().where(job_queue.c.kind == kind))
    transaction.execute(
        job_queue.insert(),
        {
            "kind": kind,
            "state": str(state),
            "drains_to": drains_to,
            "actor": actor,
            "reason": reason,
            "changed_at": changed_at,
        },
    )
    note_changes(transaction)
    return Queue(kind, state, drains_to, actor, reason, changed_at)


def require_accepting(connection: Connection, kind: str) -> None:
    """Raise `QueueClosedError` if the queue of a kind refuses requests by people."""
    queue = queues(connection).get(kind, Queue(kind))
    if not queue.state.accepts:
        raise QueueClosedError(
            f"The queue {kind} was set to {queue.state} at {queue.changed_at} by {queue.actor}: {queue.reason}. "
            "It accepts no jobs until somebody sets it to running."
        )
