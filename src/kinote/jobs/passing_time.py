"""Time-driven changes of jobs: expired leases, ended pauses and suspensions, missed deadlines, removal of old history.

Every server does this for all jobs. Servers skip rows that another one has locked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select

from kinote.catalog.schema.tables import job, job_event
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.waiting_work import Budget
from kinote.jobs.kinds import JobKind, pause_after
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, Found, found, move
from kinote.jobs.states import Event, State
from kinote.telemetry.clock import Clock

#: Rows that are handled at a time.
_SLICE = 50

#: How long a job of an unknown kind stays queued, and how long it then waits for a server that knows its kind.
_UNKNOWN_FOR = timedelta(minutes=10)
_WAITS_FOR_KIND = timedelta(days=30)

#: The reason of a waiting job of an unknown kind begins with this. A server that knows the kind finds the job by it, so
#: the text is stored and never changes.
KIND_UNKNOWN = "No server that runs knows jobs of this kind"

_LEASE_LOST = (
    "Its worker {worker} stopped responding: it was ended, or it hung. The log of its server may say more."
)

#: A kind with default values, since this server may not know the kind of an expired job.
_USUAL = JobKind("", "")


def next_moment(connection: Connection) -> str | None:
    """Return the earliest time at which a job has to be changed, or None if there is none."""
    earliest = select(func.min(job.c.until_at)).where(job.c.until_at.is_not(None))
    return connection.execute(earliest).scalar_one_or_none()


def change_due_jobs(transaction: Connection, budget: Budget, clock: Clock) -> bool:
    """Change jobs whose time has come, within the budget. Returns whether more are due."""
    now = moment_of(transaction, clock)
    due = FOUND.where(job.c.until_at.is_not(None), job.c.until_at <= timestamp(now))
    for each in found(transaction, due.order_by(job.c.until_at, job.c.id).limit(_SLICE), skips_locked=True):
        if budget.is_spent():
            return True
        _pass(transaction, each, now)
    return _is_due(transaction, now)


def _is_due(connection: Connection, now: datetime) -> bool:
    """Return whether a job is due that no other server has locked."""
    query = FOUND.where(job.c.until_at.is_not(None), job.c.until_at <= timestamp(now)).limit(1)
    return bool(found(connection, query, skips_locked=True))


def _pass(transaction: Connection, one: Found, now: datetime) -> None:
    match one.state:
        case State.LEASED:
            worker = transaction.execute(select(job.c.worker).where(job.c.id == one.id)).scalar_one()
            reason = _LEASE_LOST.format(worker=worker)
            if one.is_last_attempt:
                move(transaction, [one], Event.LEASE_LOST_FOR_GOOD, now, reason=reason)
            else:
                pause = pause_after(one.failures, _USUAL.first_pause, _USUAL.longest_pause, random.random())
                move(transaction, [one], Event.LEASE_LOST, now, until=now + pause, reason=reason)
        case State.WAITING:
            waited_for = transaction.execute(select(job.c.reason).where(job.c.id == one.id)).scalar_one()
            reason = f"It waited too long: {waited_for}"
            move(transaction, [one], Event.DEADLINE_PASSED, now, reason=reason)
        case State.RETRY:
            move(transaction, [one], Event.DUE, now)
        case _:
            move(transaction, [one], Event.SUSPENSION_OVER, now)


def until_ending(
    step: Callable[[Connection, Budget], bool], is_ending: Callable[[], bool]
) -> Callable[[Connection, Budget], bool]:
    """Wrap a step of long work (`Catalog.in_turns`), so that no further step follows when the server is stopping."""

    @wraps(step)
    def piece(transaction: Connection, budget: Budget) -> bool:
        return step(transaction, budget) and not is_ending()

    return piece


def sort_out_kinds(
    catalog: Catalog,
    known: Collection[str],
    clock: Clock,
    *,
    is_ending: Callable[[], bool] = lambda: False,
) -> None:
    """Make queued jobs of unknown kinds wait if no server has taken them, and wake waiting jobs of known kinds.

    `known` contains the kinds of job that this server knows.
    """
    with catalog.read() as connection:
        unknown = [kind for kind in _queued_kinds(connection) if kind not in known]
        waiting = select(job.c.id).where(
            job.c.state == State.WAITING,
            job.c.kind.in_(known),
            job.c.reason.startswith(KIND_UNKNOWN, autoescape=True),
        )
        back = list(connection.execute(waiting.limit(1)).scalars())
    if unknown:
        catalog.in_turns(
            until_ending(lambda transaction, budget: _set_aside(transaction, unknown, clock), is_ending)
        )
    if back:
        catalog.in_turns(
            until_ending(lambda transaction, budget: _bring_back(transaction, waiting, clock), is_ending)
        )


def _queued_kinds(connection: Connection) -> Iterator[str]:
    """Yield the kinds with queued jobs, with one index lookup for each."""
    last = ""
    while True:
        following = select(job.c.kind).where(_IS_QUEUED, job.c.kind > last).order_by(job.c.kind).limit(1)
        found_kind = connection.execute(following).scalar_one_or_none()
        if found_kind is None:
            return
        yield found_kind
        last = found_kind


def _set_aside(transaction: Connection, kinds: Collection[str], clock: Clock) -> bool:
    now = moment_of(transaction, clock)
    left = FOUND.where(_IS_QUEUED, job.c.kind.in_(kinds), job.c.changed_at <= timestamp(now - _UNKNOWN_FOR))
    unknown = found(transaction, left.limit(_SLICE), skips_locked=True)
    reason = f"{KIND_UNKNOWN}: a newer version of Kinote has it, or an older one had it."
    move(transaction, unknown, Event.KIND_UNKNOWN, now, until=now + _WAITS_FOR_KIND, reason=reason)
    return len(unknown) == _SLICE


def _bring_back(transaction: Connection, waiting: Select[Any], clock: Clock) -> bool:
    query = FOUND.where(job.c.id.in_(waiting.limit(_SLICE)))
    known_now = found(transaction, query, skips_locked=True)
    move(transaction, known_now, Event.WOKEN, moment_of(transaction, clock))
    return len(known_now) == _SLICE


def forget(transaction: Connection, budget: Budget, clock: Clock, kept: timedelta) -> bool:
    """Remove done and cancelled jobs, and all history, older than `kept`, within the budget.

    Returns whether more remain. Dead jobs stay until somebody retries or cancels them.
    """
    oldest = timestamp(moment_of(transaction, clock) - kept)
    while not budget.is_spent():
        ended = select(job.c.id).where(
            job.c.state.in_((literal_column("'done'"), literal_column("'cancelled'"))),
            job.c.ended_at < oldest,
        )
        keys = list(
            transaction.execute(
                ended.order_by(job.c.ended_at).limit(_SLICE).with_for_update(skip_locked=True)
            ).scalars()
        )
        transaction.execute(job_event.delete().where(job_event.c.job.in_(keys)))
        transaction.execute(job.delete().where(job.c.id.in_(keys)))
        happened = select(job_event.c.id).where(job_event.c.happened_at < oldest)
        events = list(
            transaction.execute(
                happened.order_by(job_event.c.happened_at).limit(_SLICE).with_for_update(skip_locked=True)
            ).scalars()
        )
        transaction.execute(job_event.delete().where(job_event.c.id.in_(events)))
        if len(keys) < _SLICE and len(events) < _SLICE:
            return False
    return True


_IS_QUEUED: ColumnElement[bool] = job.c.state == literal_column("'queued'")
