"""What people can do to jobs: retry, cancel, suspend and resume them, individually or by a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection, and_, literal_column, select

from kinote.catalog.schema.tables import job
from kinote.jobs.enqueueing import lock_natural_keys
from kinote.jobs.lists import JobFilter, matching_ids
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, Found, found, move
from kinote.jobs.states import Event, states_before
from kinote.telemetry.clock import Clock

#: Maximum jobs that one act changes. It changes all or none, in one transaction that blocks other writers.
MOST_AT_ONCE = 10_000

#: How long a job stays suspended unless it is resumed earlier.
SUSPENDED_FOR = timedelta(days=7)

_CHUNK = 500


class JobAct(StrEnum):
    """An act of a person on a job."""

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
    """More jobs match than one act may change."""


class CountChangedError(RuntimeError):
    """The number of matching jobs has changed since the caller counted them."""

    def __init__(self, expected: int, number: int) -> None:
        super().__init__(
            f"{number} jobs match now, not {expected}. Look at them again, and send the number that you see."
        )


@dataclass(frozen=True, slots=True)
class Acted:
    """The number of jobs that an act affects, and whether it was done or only previewed."""

    act: str
    count: int
    done: bool


def preview(connection: Connection, act: JobAct, wanted: JobFilter | Sequence[int]) -> Acted:
    """Count the jobs that an act would change, without changing them.

    `wanted` is a filter, or the ids of jobs. Raises `TooManyJobsError`.
    """
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
    """Do an act to all matching jobs whose state allows it, or to none.

    `wanted` is a filter, or the ids of jobs. `expected` is the number of jobs that the caller has seen; None skips the
    check. Of dead jobs with the same natural key only the newest is retried, and none if such a job has not ended.

    Raises `CountChangedError` if the number of jobs differs from `expected`, and `TooManyJobsError`.
    """
    able = _able(transaction, act, wanted, locked=True)
    if expected is not None and len(able) != expected:
        raise CountChangedError(expected, len(able))
    now = moment_of(transaction, clock)
    until = now + SUSPENDED_FOR if act is JobAct.SUSPEND else None
    move(transaction, able, act.event, now, until=until, actor=actor, reason=reason)
    return Acted(act, len(able), done=True)


def _able(
    connection: Connection, act: JobAct, wanted: JobFilter | Sequence[int], *, locked: bool
) -> list[Found]:
    keys = (
        matching_ids(connection, wanted, MOST_AT_ONCE + 1) if isinstance(wanted, JobFilter) else list(wanted)
    )
    if len(keys) > MOST_AT_ONCE:
        raise TooManyJobsError(
            f"More than {MOST_AT_ONCE} jobs match, which is too many for one act. Narrow the filter."
        )
    # Locked in the order of their ids, as everywhere, to avoid deadlocks.
    ordered = sorted(set(keys))
    able: list[Found] = []
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        if act is JobAct.RETRY and locked:
            lock_natural_keys(connection, chunk)
        query = FOUND.where(job.c.id.in_(chunk), job.c.state.in_(states_before(act.event)))
        able += found(connection, query.order_by(job.c.id), locks=locked)
    return _one_of_each_key(connection, able) if act is JobAct.RETRY else able


def _one_of_each_key(connection: Connection, able: Sequence[Found]) -> list[Found]:
    """Select the jobs that can be retried together: only one of each kind and natural key may be active."""
    kept: list[Found] = []
    taken: set[tuple[str, str]] = set()
    for start in range(len(able), 0, -_CHUNK):
        # Newest first.
        chunk = able[max(start - _CHUNK, 0) : start][::-1]
        natural_keys = _natural_keys(connection, [each.id for each in chunk])
        for each in chunk:
            natural_key, is_free = natural_keys[each.id]
            if is_free and (each.kind, natural_key) not in taken:
                kept.append(each)
            if natural_key:
                taken.add((each.kind, natural_key))
    return kept[::-1]


def _natural_keys(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[str, bool]]:
    """Return the natural key of each job, and whether no other unended job has it."""
    rows = connection.execute(
        select(job.c.id, job.c.natural_key, _OTHER.c.id.label("other"))
        .select_from(job.outerjoin(_OTHER, _IS_OTHER))
        .where(job.c.id.in_(keys))
    )
    return {row.id: (row.natural_key, row.other is None) for row in rows}


def other_under_way(connection: Connection, key: int) -> int | None:
    """Return the unended job with the kind and natural key of a dead job, which prevents its retry; else None."""
    query = select(_OTHER.c.id).select_from(job.join(_OTHER, _IS_OTHER)).where(job.c.id == key)
    return connection.execute(query).scalar_one_or_none()


_OTHER = job.alias()
_IS_OTHER = and_(
    _OTHER.c.kind == job.c.kind,
    _OTHER.c.natural_key == job.c.natural_key,
    # Repeats the WHERE clause of the partial index literally, so that SQLite uses it.
    _OTHER.c.natural_key != literal_column("''"),
    _OTHER.c.ended_at.is_(None),
    _OTHER.c.id != job.c.id,
)
