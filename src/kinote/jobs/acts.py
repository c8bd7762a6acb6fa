"""What people do to jobs: run them again, cancel them, put them aside, take them up again; some, or all of a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection, and_, literal_column, select

from kinote.catalog.schema.tables import job
from kinote.jobs.enqueueing import lock_natural_keys
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
    return Acted(act, len(_able(connection, act, wanted, locked=False)), done=False)


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

    Of dead jobs with one natural key the last is run again, and none where such a job is under way.

    Raises `OtherNumberError` where these are not as many as `expected`, and `TooManyJobsError`.
    """
    able = _able(transaction, act, wanted, locked=True)
    if expected is not None and len(able) != expected:
        raise OtherNumberError(expected, len(able))
    now = moment_of(transaction, clock)
    until = now + SUSPENDED_FOR if act is JobAct.SUSPEND else None
    move(transaction, able, act.event, now, until=until, actor=actor, reason=reason)
    return Acted(act, len(able), done=True)


def _able(
    connection: Connection, act: JobAct, wanted: JobFilter | Sequence[int], *, locked: bool
) -> list[Found]:
    keys = chosen(connection, wanted, MOST_AT_ONCE + 1) if isinstance(wanted, JobFilter) else list(wanted)
    if len(keys) > MOST_AT_ONCE:
        raise TooManyJobsError(
            f"More than {MOST_AT_ONCE} jobs are meant, which is too many for one act. Narrow the filter."
        )
    # In their order, as everybody locks them.
    ordered = sorted(set(keys))
    able: list[Found] = []
    for start in range(0, len(ordered), _CHUNK):
        some = ordered[start : start + _CHUNK]
        if act is JobAct.RETRY and locked:
            lock_natural_keys(connection, some)
        query = FOUND.where(job.c.id.in_(some), job.c.state.in_(states_before(act.event)))
        able += found(connection, query.order_by(job.c.id), locks=locked)
    return _one_of_each_key(connection, able) if act is JobAct.RETRY else able


def _one_of_each_key(connection: Connection, able: Sequence[Found]) -> list[Found]:
    """Those that can be run again together: no two jobs of a kind and natural key are under way."""
    kept: list[Found] = []
    taken: set[tuple[str, str]] = set()
    for start in range(len(able), 0, -_CHUNK):
        # The last made first.
        some = able[max(start - _CHUNK, 0) : start][::-1]
        natural_keys = _natural_keys(connection, [each.id for each in some])
        for each in some:
            natural_key, is_free = natural_keys[each.id]
            if is_free and (each.kind, natural_key) not in taken:
                kept.append(each)
            if natural_key:
                taken.add((each.kind, natural_key))
    return kept[::-1]


def _natural_keys(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[str, bool]]:
    """The natural key of each job, and whether no other job has it and is under way."""
    rows = connection.execute(
        select(job.c.id, job.c.natural_key, _OTHER.c.id.label("other"))
        .select_from(job.outerjoin(_OTHER, _IS_OTHER))
        .where(job.c.id.in_(keys))
    )
    return {row.id: (row.natural_key, row.other is None) for row in rows}


def other_under_way(connection: Connection, key: int) -> int | None:
    """The job because of which a dead one is not run again: of the same kind and natural key, and not ended."""
    query = select(_OTHER.c.id).select_from(job.join(_OTHER, _IS_OTHER)).where(job.c.id == key)
    return connection.execute(query).scalar_one_or_none()


_OTHER = job.alias()
_IS_OTHER = and_(
    _OTHER.c.kind == job.c.kind,
    _OTHER.c.natural_key == job.c.natural_key,
    # As the index of these says it.
    _OTHER.c.natural_key != literal_column("''"),
    _OTHER.c.ended_at.is_(None),
    _OTHER.c.id != job.c.id,
)
