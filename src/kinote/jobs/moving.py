"""Changing the state of jobs and writing their history. No other module writes a state."""

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

#: Maximum jobs that one statement changes.
_AT_ONCE = 500

#: Maximum characters of a reason; the rest is cut off.
LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """A job as read by `found`."""

    id: int
    kind: str
    state: State
    attempt: int
    attempts: int
    attempts_allowed: int

    @property
    def failures(self) -> int:
        """Number of attempts since the job last made progress."""
        return self.attempt - (self.attempts_allowed - self.attempts)

    @property
    def is_last_attempt(self) -> bool:
        return self.attempt >= self.attempts_allowed


#: Selects the columns of `Found`. The caller adds a condition.
FOUND: Select[Any] = select(
    job.c.id, job.c.kind, job.c.state, job.c.attempt, job.c.attempts, job.c.attempts_allowed
)


def found(
    transaction: Connection, query: Select[Any], *, skips_locked: bool = False, locks: bool = True
) -> list[Found]:
    """Read, and with `locks` also lock, the jobs of a query made of `FOUND`.

    Jobs that another transaction has locked are left out with `skips_locked`, and otherwise waited for.
    """
    if locks:
        query = query.with_for_update(of=job, skip_locked=skips_locked)
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
    """Apply an event to jobs: change their states and add to their history.

    `until` is when the new state ends by itself, if it does. Raises `TransitionRefusedError` if the event is not
    allowed in the state of a job.
    """
    by_target: dict[State, list[Found]] = {}
    for each in jobs:
        by_target.setdefault(following(each.state, event), []).append(each)
    moment, kept_reason = timestamp(now), reason[:LONGEST_REASON]
    for target, group in by_target.items():
        values: dict[str, Any] = {
            "state": str(target),
            "changed_at": moment,
            "until_at": None if until is None else timestamp(until),
            "ended_at": moment if target.has_ended else None,
            "worker": worker,
            "reason": kept_reason,
            "actor": actor,
            **_ATTEMPTS.get(event, {}),
        }
        for chunk in _chunks(group):
            transaction.execute(job.update().where(job.c.id.in_([each.id for each in chunk])).values(values))
        if target is State.QUEUED:
            # Wakes the workers after the commit, like the readers of the change feed.
            note_changes(transaction)
        history = [
            {
                "job": each.id,
                "happened_at": moment,
                "event": str(event),
                "from_state": str(each.state),
                "to_state": str(target),
                "attempt": each.attempt + (event is Event.CLAIMED),
                "actor": actor,
                "reason": kept_reason,
            }
            for each in group
        ]
        statements.insert_rows(transaction, job_event, history)


#: Allows at least one more attempt, for a job that was suspended during its last one.
_ANOTHER = case((job.c.attempts_allowed > job.c.attempt, job.c.attempts_allowed), else_=job.c.attempt + 1)

#: Events that change the number of attempts, or of allowed attempts.
_ATTEMPTS: dict[Event, dict[str, Any]] = {
    Event.CLAIMED: {"attempt": job.c.attempt + 1},
    Event.LEFT_OFF: {"attempts_allowed": job.c.attempts_allowed + 1},
    Event.BEGAN_TO_WAIT: {"attempts_allowed": job.c.attempts_allowed + 1},
    Event.RESUMED: {"attempts_allowed": _ANOTHER},
    Event.SUSPENSION_OVER: {"attempts_allowed": _ANOTHER},
    Event.RUN_AGAIN: {"attempts_allowed": job.c.attempt + job.c.attempts},
}


def _chunks(jobs: Sequence[Found]) -> Iterator[Sequence[Found]]:
    for start in range(0, len(jobs), _AT_ONCE):
        yield jobs[start : start + _AT_ONCE]
