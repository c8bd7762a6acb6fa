"""The states of queues, one for each kind of job, as people have set them, by whom and why."""

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
    """What becomes of the jobs of a kind."""

    #: They are taken and done.
    RUNNING = "running"
    #: They are taken, and none is begun.
    ACCEPTING = "accepting"
    #: Those that were there are done; what people ask for beside is refused, what follows from data waits.
    DRAINING = "draining"
    #: None is begun, and what people ask for is refused.
    HALTED = "halted"

    @property
    def accepts(self) -> bool:
        return self in (QueueState.RUNNING, QueueState.ACCEPTING)

    @property
    def executes(self) -> bool:
        return self in (QueueState.RUNNING, QueueState.DRAINING)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a kind. One that nobody has set is running."""

    kind: str
    state: QueueState = QueueState.RUNNING
    #: Of a draining one: the last job that is still done.
    drains_to: int | None = None
    actor: str = ""
    reason: str = ""
    changed_at: str | None = None


class QueueClosedError(RuntimeError):
    """A queue takes no jobs that people ask for; the message says why, and what to do."""


def queues(connection: Connection) -> dict[str, Queue]:
    """The queues that people have set, by kind."""
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
    """Set the state of a queue; gives it as it is from then on."""
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


def see_that_it_accepts(connection: Connection, kind: str) -> None:
    """For what a person asks for: raises `QueueClosedError` where the queue takes nothing."""
    queue = queues(connection).get(kind, Queue(kind))
    if not queue.state.accepts:
        raise QueueClosedError(
            f"The queue {kind} is {queue.state} since {queue.changed_at}, by {queue.actor}: {queue.reason}. "
            "It takes no jobs until somebody sets it to running."
        )
