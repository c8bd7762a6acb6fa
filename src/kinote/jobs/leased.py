"""A leased job as its handler sees it, and its outcomes.

Every transaction of a handler first checks that the worker still has the lease, by the attempt number, and extends it.
A worker that was frozen and has lost its lease cannot write anything: its transaction fails.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_

from kinote.catalog.schema.tables import job
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.guards import as_sql
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.waiting_work import Budget
from kinote.jobs.claiming import Claimed
from kinote.jobs.guards import HOLDS_ITS_LEASE
from kinote.jobs.kinds import JobKind, pause_after
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, found, move
from kinote.jobs.states import Event
from kinote.telemetry.clock import Clock

Result = TypeVar("Result")


class LostLeaseError(RuntimeError):
    """The worker no longer has the job: its lease ran out, or somebody cancelled or suspended the job."""


class PermanentError(Exception):
    """A job cannot be done, and another attempt would not help. The message says why."""


@dataclass(frozen=True, slots=True)
class Done:
    """The job is done. `summary` is a sentence about the result."""

    summary: str = ""


@dataclass(frozen=True, slots=True)
class LeftOff:
    """There is more to do. The job goes to the end of its line and later continues from its progress."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The job waits to be woken (`kinote.jobs.enqueueing.wake`). It is dead if that takes longer than `within`."""

    reason: str
    within: timedelta


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed. `for_good` tells that another attempt would not help."""

    reason: str
    for_good: bool = False


#: The result of a handler. An exception is a failure: permanent if it is a `PermanentError`, else temporary.
Outcome = Done | LeftOff | Waits


class LeasedJob:
    """A leased job, passed to its handler.

    `payload` tells what to do; `progress` is how far earlier attempts, or this one, have come. `steady` is a monotonic
    clock in seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        kind: JobKind,
        claimed: Claimed,
        *,
        is_ending: Callable[[], bool] = lambda: False,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._is_ending = is_ending
        self._steady = steady
        self.kind = kind
        self.claimed = claimed
        self.payload: dict[str, Any] = json.loads(claimed.payload)
        self.progress: dict[str, Any] = json.loads(claimed.progress)
        #: Whether the lease is known to be lost.
        self.is_lost = False
        #: When the handler last made progress, and when the lease was last extended, by `steady`.
        self.progressed = self.extended = steady()

    @property
    def id(self) -> int:
        return self.claimed.id

    def is_ending(self) -> bool:
        """Return whether the handler should stop soon, because the server is stopping or the lease is lost."""
        return self.is_lost or self._is_ending()

    def write(
        self,
        work: Callable[[Connection], Result],
        progress: Mapping[str, Any] | Callable[[Result], Mapping[str, Any]] | None = None,
        *,
        is_further: bool = True,
    ) -> Result:
        """Do a short piece of work in a transaction and return its result.

        `progress` is the new progress of the job, or a function that computes it from the result. With `is_further`,
        the count of attempts starts again; without it, the progress is only a note for the next attempt.

        Raises `LostLeaseError` if the worker no longer has the job; then nothing is written.
        """

        def piece(transaction: Connection) -> tuple[Result, dict[str, Any] | None]:
            self._hold(transaction)
            written = work(transaction)
            if progress is None:
                return written, None
            reached = dict(progress(written) if callable(progress) else progress)
            self._remember(transaction, reached, is_further)
            return written, reached

        written, reached = self._catalog.submit(piece, background=True).result()
        if reached is not None:
            self.progress = reached
        self.progressed = self.extended = self._steady()
        return written

    def in_turns(self, step: Callable[[Connection, Budget], bool]) -> None:
        """Do long work in several transactions, as `Catalog.in_turns` does, each of which checks the lease.

        Raises `LostLeaseError` if the worker no longer has the job.
        """

        def piece(transaction: Connection, budget: Budget) -> bool:
            self._hold(transaction)
            return step(transaction, budget)

        self._catalog.in_turns(piece)
        self.progressed = self.extended = self._steady()

    def extend(self) -> None:
        """Extend the lease. Raises `LostLeaseError` if it is lost."""
        self._catalog.submit(self._hold, background=True).result()
        self.extended = self._steady()

    def is_stuck(self) -> bool:
        """Return whether the handler has made no progress for longer than its kind allows."""
        return self._steady() - self.progressed > self.kind.patience.total_seconds()

    def settle(self, transaction: Connection, outcome: Outcome | Failed, chance: float) -> bool:
        """Write the outcome of the attempt. Returns False, without writing, if the lease is lost.

        `chance` is a random number from 0 to 1 for the length of the pause.
        """
        now = moment_of(transaction, self._clock)
        mine = found(transaction, FOUND.where(self._is_mine(now)))
        if not mine:
            return False
        (one,) = mine
        match outcome:
            case Done(summary):
                move(transaction, mine, Event.FINISHED, now, reason=summary)
            case LeftOff():
                move(transaction, mine, Event.LEFT_OFF, now)
            case Waits(reason, within):
                move(transaction, mine, Event.BEGAN_TO_WAIT, now, until=now + within, reason=reason)
            case Failed(reason, for_good) if for_good or one.is_last_attempt:
                move(transaction, mine, Event.FAILED_FOR_GOOD, now, reason=reason)
            case Failed(reason):
                pause = pause_after(one.failures, self.kind.first_pause, self.kind.longest_pause, chance)
                move(transaction, mine, Event.FAILED, now, until=now + pause, reason=reason)
        return True

    def _hold(self, transaction: Connection) -> None:
        """Check and extend the lease. Locks the row, so that nobody else gets the job until the transaction ends."""
        now = moment_of(transaction, self._clock)
        held = transaction.execute(
            job.update().where(self._is_mine(now)).values(until_at=timestamp(now + self.kind.lease))
        )
        if held.rowcount != 1:
            self.is_lost = True
            raise LostLeaseError(
                f"{self.claimed.worker} no longer has the job {self.id}, which it had in attempt "
                f"{self.claimed.attempt}."
            )

    def _remember(self, transaction: Connection, reached: Mapping[str, Any], is_further: bool) -> None:
        """Write the progress. If the job has come further, this attempt counts as the first of a new round."""
        values: dict[str, Any] = {"progress": json.dumps(reached, ensure_ascii=False, separators=(",", ":"))}
        if is_further:
            values["attempts_allowed"] = job.c.attempt - 1 + job.c.attempts
        transaction.execute(job.update().where(job.c.id == self.id).values(values))

    def _is_mine(self, now: datetime) -> ColumnElement[bool]:
        return and_(job.c.id == self.id, *as_sql(HOLDS_ITS_LEASE, job.c, self.claimed, timestamp(now)))
