"""What happens to jobs by time alone: leases run out, pauses and suspensions end, deadlines pass, history is forgotten.

Any server does it for all; of several, each leaves alone what another one is at.
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

#: Rows that one look takes.
_SLICE = 50

#: How long a job of a kind that no server knows is left for one that does, and then waits for one.
_STRANGE_FOR = timedelta(minutes=10)
_WAITS_FOR_KIND = timedelta(days=30)

#: Why such a job waits: it begins so, for whoever knows the kind to find it.
KIND_UNKNOWN = "No server that runs knows jobs of this kind"

_LEASE_LOST = (
    "Its worker {worker} gave no sign of life: it was ended, or it hung. The log of its server may say more."
)

#: Who sweeps need not know the kind: what all kinds have unless they say otherwise.
_USUAL = JobKind("", "")


def next_moment(connection: Connection) -> str | None:
    """When time will do something to a job next; None where nothing is to come."""
    earliest = select(func.min(job.c.until_at)).where(job.c.until_at.is_not(None))
    return connection.execute(earliest).scalar_one_or_none()


def let_time_pass(transaction: Connection, budget: Budget, clock: Clock) -> bool:
    """Do some of what is due by now, as far as the budget reaches; whether there is more."""
    now = moment_of(transaction, clock)
    due = FOUND.where(job.c.until_at.is_not(None), job.c.until_at <= timestamp(now))
    for each in found(
        transaction, due.order_by(job.c.until_at, job.c.id).limit(_SLICE), passes_over_locked=True
    ):
        if budget.is_spent():
            return True
        _pass(transaction, each, now)
    return _is_due(transaction, now)


def _is_due(connection: Connection, now: datetime) -> bool:
    """Whether something is due that nobody else is at."""
    query = FOUND.where(job.c.until_at.is_not(None), job.c.until_at <= timestamp(now)).limit(1)
    return bool(found(connection, query, passes_over_locked=True))


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
            reason = f"What it waited for has not happened in time: {waited_for}"
            move(transaction, [one], Event.DEADLINE_PASSED, now, reason=reason)
        case State.RETRY:
            move(transaction, [one], Event.DUE, now)
        case _:
            move(transaction, [one], Event.SUSPENSION_OVER, now)


def until_ending(
    step: Callable[[Connection, Budget], bool], is_ending: Callable[[], bool]
) -> Callable[[Connection, Budget], bool]:
    """A step of long work (`Catalog.in_turns`) after which there is no other one once the server ends."""

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
    """Let jobs of kinds that nobody here knows wait, where nobody has taken them for a while; and wake those of known
    kinds that waited for a server that knows them.
    """
    with catalog.read() as connection:
        strange = [kind for kind in _queued_kinds(connection) if kind not in known]
        waiting = select(job.c.id).where(
            job.c.state == State.WAITING,
            job.c.kind.in_(known),
            job.c.reason.startswith(KIND_UNKNOWN, autoescape=True),
        )
        back = list(connection.execute(waiting.limit(1)).scalars())
    if strange:
        catalog.in_turns(
            until_ending(lambda transaction, budget: _set_aside(transaction, strange, clock), is_ending)
        )
    if back:
        catalog.in_turns(
            until_ending(lambda transaction, budget: _bring_back(transaction, waiting, clock), is_ending)
        )


def _queued_kinds(connection: Connection) -> Iterator[str]:
    """The kinds of which something is queued: one look into the index for each."""
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
    left = FOUND.where(_IS_QUEUED, job.c.kind.in_(kinds), job.c.changed_at <= timestamp(now - _STRANGE_FOR))
    strange = found(transaction, left.limit(_SLICE), passes_over_locked=True)
    reason = f"{KIND_UNKNOWN}: they are of a newer version of Kinote, or of one that had them."
    move(transaction, strange, Event.KIND_UNKNOWN, now, until=now + _WAITS_FOR_KIND, reason=reason)
    return len(strange) == _SLICE


def _bring_back(transaction: Connection, waiting: Select[Any], clock: Clock) -> bool:
    those = FOUND.where(job.c.id.in_(waiting.limit(_SLICE)))
    known_now = found(transaction, those, passes_over_locked=True)
    move(transaction, known_now, Event.WOKEN, moment_of(transaction, clock))
    return len(known_now) == _SLICE


def forget(transaction: Connection, budget: Budget, clock: Clock, kept: timedelta) -> bool:
    """Remove some of the jobs that were done or cancelled so long ago, and of all history that old; whether there is
    more. The dead stay until somebody has seen to them.
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
