"""A job in the hands of a worker: what its handler may do, and what becomes of the job afterwards.

Every transaction of a handler begins by seeing that the lease is still its own, by the number of the attempt, and
extends it. A worker that was frozen and has lost its lease meanwhile can write nothing: its transaction fails.
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
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.waiting_work import Budget
from kinote.jobs.claiming import Claimed
from kinote.jobs.kinds import JobKind, pause_after
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, found, move
from kinote.jobs.states import Event, State
from kinote.telemetry.clock import Clock

Result = TypeVar("Result")


class LostLeaseError(RuntimeError):
    """The job is no longer this worker's: its lease ran out, or somebody has cancelled or suspended the job."""


class PermanentError(Exception):
    """A job cannot be done, and another attempt would not change that; the message says why."""


@dataclass(frozen=True, slots=True)
class Done:
    """The job is done; `summary` says in a sentence what came of it."""

    summary: str = ""


@dataclass(frozen=True, slots=True)
class LeftOff:
    """There is more to do: the job goes to the end of its line, and on from its progress."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The job goes on when it is woken (`kinote.jobs.enqueueing.wake`); after the deadline it is dead."""

    reason: str
    within: timedelta


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt has failed; `for_good` where another one would not change that."""

    reason: str
    for_good: bool = False


#: What a handler gives. An exception is a failure: `PermanentError` for good, any other for the time being.
Outcome = Done | LeftOff | Waits


class LeasedJob:
    """What a handler is given. `is_ending` says whether it should leave off soon, as the server is being stopped."""

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
        #: What it is about, and how far it had come when this attempt began or last said so.
        self.payload: dict[str, Any] = json.loads(claimed.payload)
        self.progress: dict[str, Any] = json.loads(claimed.progress)
        #: Whether somebody has found out that the lease is lost.
        self.is_lost = False
        #: By `steady`: when the handler has last come further, and when the lease was last extended.
        self.came_further = self.extended = steady()

    @property
    def id(self) -> int:
        return self.claimed.id

    def is_ending(self) -> bool:
        """Whether to leave off: what is done from here on may be in vain."""
        return self.is_lost or self._is_ending()

    def write(
        self,
        work: Callable[[Connection], Result],
        progress: Mapping[str, Any] | Callable[[Result], Mapping[str, Any]] | None = None,
        *,
        is_further: bool = True,
    ) -> Result:
        """Do a piece of work in a transaction of its own, if the lease holds; raises `LostLeaseError` if not.

        `progress` is how far the job has then come, perhaps by what the work gives: attempts are counted anew from
        there, unless it is not `is_further`, but a note for the next attempt. The work must be short.
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
        self.came_further = self.extended = self._steady()
        return written

    def in_turns(self, step: Callable[[Connection, Budget], bool]) -> None:
        """Do long work in as many transactions as it takes, as `Catalog.in_turns` does, each under the lease."""

        def piece(transaction: Connection, budget: Budget) -> bool:
            self._hold(transaction)
            return step(transaction, budget)

        self._catalog.in_turns(piece)
        self.came_further = self.extended = self._steady()

    def extend(self) -> None:
        """Give a sign of life. Raises `LostLeaseError`."""
        self._catalog.submit(self._hold, background=True).result()
        self.extended = self._steady()

    def is_stuck(self) -> bool:
        """Whether its handler has not come further for longer than its kind allows."""
        return self._steady() - self.came_further > self.kind.patience.total_seconds()

    def settle(self, transaction: Connection, outcome: Outcome | Failed, chance: float) -> bool:
        """Write down what became of it; False where the lease was lost, and nothing was written."""
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
        """Extend the lease, or see that it is lost. Locks the row: nobody takes the job until the transaction ends."""
        now = moment_of(transaction, self._clock)
        held = transaction.execute(
            job.update().where(self._is_mine(now)).values(until_at=timestamp(now + self.kind.lease))
        )
        if held.rowcount != 1:
            self.is_lost = True
            raise LostLeaseError(
                f"The job {self.id} is no longer that of {self.claimed.worker}, whose attempt "
                f"{self.claimed.attempt} it was."
            )

    def _remember(self, transaction: Connection, reached: Mapping[str, Any], is_further: bool) -> None:
        """How far it has come. Where that is further than before, this attempt is the first of a new round."""
        values: dict[str, Any] = {"progress": json.dumps(reached, ensure_ascii=False, separators=(",", ":"))}
        if is_further:
            values["attempts_allowed"] = job.c.attempt - 1 + job.c.attempts
        transaction.execute(job.update().where(job.c.id == self.id).values(values))

    def _is_mine(self, now: datetime) -> ColumnElement[bool]:
        return and_(
            job.c.id == self.id,
            job.c.state == State.LEASED,
            job.c.attempt == self.claimed.attempt,
            job.c.worker == self.claimed.worker,
            job.c.until_at >= timestamp(now),
        )
