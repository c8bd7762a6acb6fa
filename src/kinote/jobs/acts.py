"""What people do to jobs: run them again, cancel them, put them aside, take them up again; some, or all of a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection

from kinote.catalog.schema.tables import job
from kinote.jobs.lists import JobFilter, chosen
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, Found, found, move
from kinote.jobs.states import Event, states_before
from kinote.telemetry.clock import Clock

#: Jobs that one act changes at most: all or none of them, while nothing else is written.
MOST_AT_ONCE = 10_000

#: How long a job is put aside that nobody takes up again.
SUSPENDED_FOR = timedelta(days=7)

_CHUNK = 500


class JobAct(StrEnum):
    """What a person can do to a job."""

    RETRY = "retry"
    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"

    @property
    def event(self) -> Event:
        return _EVENTS[self]


_EVENTS = {
    JobAct.RETRY: Event.RUN_AGAIN,
    JobAct.CANCEL: Event.CANCELLED,
    JobAct.SUSPEND: Event.SUSPENDED,
    JobAct.RESUME: Event.RESUMED,
}


class TooManyJobsError(ValueError):
    """More jobs are meant than one act changes."""


class OtherNumberError(RuntimeError):
    """Not as many jobs are meant as were expected: something has changed since they were counted."""

    def __init__(self, expected: int, number: int) -> None:
        super().__init__(
            f"{number} jobs are meant now, not {expected}. Look at them again, and give the number that you see."
        )


@dataclass(frozen=True, slots=True)
class Acted:
    """How many jobs an act is about, and whether it has been done to them."""

    act: str
    count: int
    done: bool


def preview(connection: Connection, act: JobAct, wanted: JobFilter | Sequence[int]) -> Acted:
    """How many of the jobs that are meant an act can be done to."""
    return Acted(act, sum(1 for _ in _able(connection, act, wanted, locked=False)), done=False)


def do(
    transaction: Connection,
    act: JobAct,
    wanted: JobFilter | Sequence[int],
    *,
    expected: int | None,
    actor: str,
    reason: str,
    clock: Clock,
) -> Acted:
    """Do it to all jobs that are meant and that are in a state for it, or to none.

    Raises `OtherNumberError` where these are not as many as `expected`, and `TooManyJobsError`.
    """
    able = list(_able(transaction, act, wanted, locked=True))
    if expected is not None and len(able) != expected:
        raise OtherNumberError(expected, len(able))
    now = moment_of(transaction, clock)
    until = now + SUSPENDED_FOR if act is JobAct.SUSPEND else None
    move(transaction, able, act.event, now, until=until, actor=actor, reason=reason)
    return Acted(act, len(able), done=True)


def _able(
    connection: Connection, act: JobAct, wanted: JobFilter | Sequence[int], *, locked: bool
) -> Iterator[Found]:
    keys = chosen(connection, wanted, MOST_AT_ONCE + 1) if isinstance(wanted, JobFilter) else list(wanted)
    if len(keys) > MOST_AT_ONCE:
        raise TooManyJobsError(
            f"More than {MOST_AT_ONCE} jobs are meant, which is too many for one act. Narrow the filter."
        )
    # In their order, as everybody locks them.
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), _CHUNK):
        some = FOUND.where(
            job.c.id.in_(ordered[start : start + _CHUNK]), job.c.state.in_(states_before(act.event))
        ).order_by(job.c.id)
        yield from found(connection, some, locks=locked)
