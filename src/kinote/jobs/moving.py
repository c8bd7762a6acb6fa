"""The one place where the state of a job is written, with its history, by the table of transitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, select

from kinote.catalog.schema.tables import job, job_event
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.transactions.announcements import note_changes
from kinote.jobs.states import Event, State, following

#: Jobs that one statement changes.
_AT_ONCE = 500

#: Characters of a reason that are kept.
LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """A job as it was found, its row being locked until the transaction ends."""

    id: int
    kind: str
    state: State
    attempt: int
    attempts: int
    attempts_allowed: int

    @property
    def failures(self) -> int:
        """How many attempts of this round there have been."""
        return self.attempt - (self.attempts_allowed - self.attempts)

    @property
    def is_last_attempt(self) -> bool:
        return self.attempt >= self.attempts_allowed


#: The columns of `Found`, to be completed by a condition.
FOUND: Select[Any] = select(
    job.c.id, job.c.kind, job.c.state, job.c.attempt, job.c.attempts, job.c.attempts_allowed
)


def found(
    transaction: Connection, query: Select[Any], *, passes_over_locked: bool = False, locks: bool = True
) -> list[Found]:
    """The jobs of a query made of `FOUND`, locked; those that somebody else has locked are waited for or left out."""
    if locks:
        query = query.with_for_update(of=job, skip_locked=passes_over_locked)
    rows = transaction.execute(query)
    return [
        Found(row.id, row.kind, State(row.state), row.attempt, row.attempts, row.attempts_allowed)
        for row in rows
    ]


def move(
    transaction: Connection,
    jobs: Sequence[Found],
    event: Event,
    now: datetime,
    *,
    until: datetime | None = None,
    worker: str | None = None,
    reason: str = "",
    actor: str = "",
) -> None:
    """Let an event happen to jobs: their states, what belongs to these, and their history.

    `until` is when they leave the new state by themselves, where they do. Raises `TransitionRefusedError`.
    """
    by_target: dict[State, list[Found]] = {}
    for each in jobs:
        by_target.setdefault(following(each.state, event), []).append(each)
    moment, said = timestamp(now), reason[:LONGEST_REASON]
    for target, those in by_target.items():
        values: dict[str, Any] = {
            "state": str(target),
            "changed_at": moment,
            "until_at": None if until is None else timestamp(until),
            "ended_at": moment if target.has_ended else None,
            "worker": worker,
            "reason": said,
            "actor": actor,
            **_ATTEMPTS.get(event, {}),
        }
        for some in _chunks(those):
            transaction.execute(job.update().where(job.c.id.in_([each.id for each in some])).values(values))
        if target is State.QUEUED:
            # Workers are woken as readers of the change feed are.
            note_changes(transaction)
        told = [
            {
                "job": each.id,
                "happened_at": moment,
                "event": str(event),
                "from_state": str(each.state),
                "to_state": str(target),
                "attempt": each.attempt + (event is Event.CLAIMED),
                "actor": actor,
                "reason": said,
            }
            for each in those
        ]
        statements.insert_rows(transaction, job_event, told)


#: For a job that was put aside while a worker had it, perhaps in its last attempt: there is another one.
_ANOTHER = case((job.c.attempts_allowed > job.c.attempt, job.c.attempts_allowed), else_=job.c.attempt + 1)

#: What some events do to the count of attempts: one more, one more that is allowed, a whole new round.
_ATTEMPTS: dict[Event, dict[str, Any]] = {
    Event.CLAIMED: {"attempt": job.c.attempt + 1},
    Event.LEFT_OFF: {"attempts_allowed": job.c.attempts_allowed + 1},
    Event.BEGAN_TO_WAIT: {"attempts_allowed": job.c.attempts_allowed + 1},
    Event.RESUMED: {"attempts_allowed": _ANOTHER},
    Event.SUSPENSION_OVER: {"attempts_allowed": _ANOTHER},
    Event.RUN_AGAIN: {"attempts_allowed": job.c.attempt + job.c.attempts},
}


def _chunks(those: Sequence[Found]) -> Iterator[Sequence[Found]]:
    for start in range(0, len(those), _AT_ONCE):
        yield those[start : start + _AT_ONCE]
