"""The workers of a server: threads that do jobs one after the other, one that keeps their leases, and one that sweeps.

Sweeping is what time does to jobs. It may be long work, and must not keep leases from being extended.

A commit that brings jobs wakes them (`kinote.catalog.transactions.announcements`), here and in other servers; if nobody
wakes them, they look by themselves after a while.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.waiting_work import Budget
from kinote.jobs.claiming import ANY_QUEUED, Claimed, Turns, claim, has_work
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Failed, LeasedJob, LeftOff, LostLeaseError, Outcome, PermanentError
from kinote.jobs.moments import moment_of
from kinote.jobs.passing_time import (
    forget,
    let_time_pass,
    next_moment,
    sort_out_kinds,
    until_ending,
)
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

Handler = Callable[[LeasedJob], Outcome]

_ATTEMPTS = Counter(
    "kinote_job_attempts",
    "Attempts at jobs that workers of this server have ended, by kind and by what came of them.",
    ["kind", "outcome"],
    registry=REGISTRY,
)

_WORKERS = Gauge(
    "kinote_job_workers",
    "Workers of this server whose handlers do not hang: where there is none, no job is done until a restart.",
    registry=REGISTRY,
)

#: Seconds until a worker that nobody has woken looks for work.
_LOOK_EVERY = 15.0

#: Seconds between two looks at least while there is nothing to do: commits come by the hundred a second.
_SPACING = 0.1

#: Seconds between two rounds of the keeper and of the sweeper, between two sortings of kinds, and between two prunings.
_ROUND, _SORT_EVERY, _FORGET_EVERY = 1.0, 60.0, 600.0

#: Seconds that the end of the server waits for handlers that do not leave off.
_LONGEST_END = 30.0

#: Threads that are alive at once at most, for each that is wanted, while handlers hang.
_REPLACED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How many workers there are, and for how long it is kept what happened to jobs."""

    workers: int = 2
    kept: timedelta = timedelta(days=30)
    look_every: float = _LOOK_EVERY
    round: float = _ROUND


class Workers:
    """Does jobs of the kinds of which it has a handler, until it is closed. `name` is that of this server process."""

    def __init__(
        self,
        catalog: Catalog,
        handlers: Mapping[JobKind, Handler],
        clock: Clock,
        *,
        name: str,
        options: WorkerOptions = WorkerOptions(),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._kinds = {kind.name: kind for kind in handlers}
        self._handlers = {kind.name: handler for kind, handler in handlers.items()}
        self._clock = clock
        self._name = name
        self._options = options
        self._steady = steady
        self._turns = Turns()
        self._changed = threading.Condition()
        self._may_have_work = True
        self._ending = threading.Event()
        #: The jobs at hand, by the number of the worker; and workers whose handlers hang.
        self._at_hand: dict[int, LeasedJob] = {}
        self._given_up: set[int] = set()
        self._threads: dict[int, threading.Thread] = {}
        self._numbers = itertools.count()
        self._is_short = False
        self._closing = ExitStack()
        self._closing.enter_context(catalog.announcements.listening(self.wake))
        for _ in range(options.workers):
            self._begin_worker()
        self._keepers = [
            threading.Thread(target=self._keep, name="jobs-keeper", daemon=True),
            threading.Thread(target=self._sweep, name="jobs-sweeper", daemon=True),
        ]
        for keeper in self._keepers:
            keeper.start()

    def wake(self) -> None:
        """There may be something to do."""
        with self._changed:
            self._may_have_work = True
            # Whoever finds something wakes the next one.
            self._changed.notify()

    def close(self) -> None:
        """Let handlers leave off, and end; what does not leave off in time loses its lease later."""
        self._closing.close()
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        for keeper in self._keepers:
            keeper.join()
        until = self._steady() + _LONGEST_END
        for thread in self._threads.values():
            thread.join(max(0.0, until - self._steady()))
        if left := [job.id for job in self._at_hand.values()]:
            log.warning("Jobs were left where they were at the end of this server", extra={"jobs": left})

    def _begin_worker(self) -> None:
        number = next(self._numbers)
        thread = threading.Thread(target=self._work, args=(number,), name=f"jobs-{number}", daemon=True)
        self._threads[number] = thread
        thread.start()

    def _work(self, number: int) -> None:
        claimed: Claimed | None = None
        while not self._ending.is_set() and number not in self._given_up:
            try:
                claimed = claimed or self._next(number)
                if claimed is None:
                    self._wait()
                    continue
                at_hand, claimed = claimed, None
                self.wake()
                claimed = self._do(number, at_hand)
            except CatalogClosedError:
                return
            except IndexUnavailableError as error:
                log.warning("A worker could not take or end a job, and goes on: %s", error)
                self._ending.wait(_SPACING * 10)
            except Exception:  # Whatever it is, it must not end the worker.
                log.exception("A worker could not take or end a job, and goes on")
                self._ending.wait(_SPACING * 10)
        if claimed is not None:
            self._give_back(claimed)

    def _wait(self) -> None:
        with self._changed:
            if not self._may_have_work and not self._ending.is_set():
                self._changed.wait(self._options.look_every)
            self._may_have_work = False
        self._ending.wait(_SPACING)

    def _next(self, number: int) -> Claimed | None:
        if self._catalog.find_latest(ANY_QUEUED) is None:
            return None
        with self._catalog.read() as connection:
            if not has_work(connection, self._kinds, self._turns):
                return None
        return self._catalog.submit(partial(self._claim, number), background=True).result()

    def _claim(self, number: int, transaction: Connection) -> Claimed | None:
        now = moment_of(transaction, self._clock)
        return claim(transaction, self._kinds, self._turns, f"{self._name}-{number}", now)

    def _do(self, number: int, claimed: Claimed) -> Claimed | None:
        """Do a job; gives the next one, which is claimed in the transaction that ends the first."""
        job = LeasedJob(
            self._catalog,
            self._clock,
            self._kinds[claimed.kind],
            claimed,
            is_ending=self._ending.is_set,
            steady=self._steady,
        )
        self._at_hand[number] = job
        try:
            outcome = self._outcome(job)
        finally:
            del self._at_hand[number]
        if outcome is None:
            _ATTEMPTS.labels(claimed.kind, "lost").inc()
            return None
        goes_on = not self._ending.is_set() and number not in self._given_up

        def settle(transaction: Connection) -> tuple[bool, Claimed | None]:
            settled = job.settle(transaction, outcome, random.random())
            return settled, self._claim(number, transaction) if goes_on else None

        settled, following = self._catalog.submit(settle, background=True).result()
        _ATTEMPTS.labels(claimed.kind, type(outcome).__name__.lower() if settled else "lost").inc()
        return following

    def _outcome(self, job: LeasedJob) -> Outcome | Failed | None:
        """What its handler makes of a job; None where it has lost it."""
        told = {"job": job.id, "kind": job.kind.name, "attempt": job.claimed.attempt}
        try:
            return self._handlers[job.kind.name](job)
        except LostLeaseError as error:
            log.warning("%s", error, extra=told)
            return None
        except CatalogClosedError:
            raise
        except PermanentError as error:
            log.warning("A job cannot be done: %s", error, extra=told)
            return Failed(_said(error), for_good=True)
        except Exception as error:
            if job.is_lost:
                return None
            log.warning("An attempt at a job has failed", extra=told, exc_info=True)
            return Failed(_said(error))

    def _give_back(self, claimed: Claimed) -> None:
        """A job that was claimed just before the end: its attempt is not begun."""
        job = LeasedJob(self._catalog, self._clock, self._kinds[claimed.kind], claimed, steady=self._steady)
        try:
            self._catalog.submit(
                lambda transaction: job.settle(transaction, LeftOff(), 0), background=True
            ).result()
        except Exception:
            log.warning("A job could not be given back", extra={"job": claimed.id}, exc_info=True)

    def _keep(self) -> None:
        while not self._ending.wait(self._options.round):
            try:
                self._extend_leases()
                self._replace_lost_workers()
            except CatalogClosedError:
                return
            except Exception:  # Whatever it is, it must not end the keeper.
                log.exception("Leases could not be extended, and it is tried again")

    def _replace_lost_workers(self) -> None:
        """Have as many workers as are wanted, beside those whose handlers hang; these end when their handlers do."""
        for number, thread in list(self._threads.items()):
            if not thread.is_alive():
                del self._threads[number]
                self._given_up.discard(number)
        at_work = len(self._threads) - len(self._given_up)
        while at_work < self._options.workers and len(self._threads) < self._most:
            self._begin_worker()
            at_work += 1
        _WORKERS.set(at_work)
        if not at_work and not self._is_short:
            log.error(
                "No job is done any more: the handlers of all %d workers hang. Restart the server",
                len(self._threads),
            )
        self._is_short = not at_work

    @property
    def _most(self) -> int:
        return self._options.workers * (1 + _REPLACED_AT_MOST)

    def _sweep(self) -> None:
        sorted_at = forgot_at = -_FORGET_EVERY
        while not self._ending.wait(self._options.round):
            try:
                self._see_to_time()
                now = self._steady()
                if now - sorted_at >= _SORT_EVERY:
                    sorted_at = now
                    sort_out_kinds(self._catalog, self._kinds, self._clock, is_ending=self._ending.is_set)
                if now - forgot_at >= _FORGET_EVERY:
                    forgot_at = now
                    self._in_turns(
                        lambda transaction, budget: forget(
                            transaction, budget, self._clock, self._options.kept
                        )
                    )
            except CatalogClosedError:
                return
            except IndexUnavailableError as error:
                log.warning("Jobs could not be looked after, and it is tried again: %s", error)
            except Exception:  # Whatever it is, it must not end the sweeper.
                log.exception("Jobs could not be looked after, and it is tried again")

    def _in_turns(self, step: Callable[[Connection, Budget], bool]) -> None:
        """Long work, left between two transactions when the server ends."""
        self._catalog.in_turns(until_ending(step, self._ending.is_set))

    def _extend_leases(self) -> None:
        for number, job in list(self._at_hand.items()):
            if number in self._given_up:
                continue
            if job.is_stuck():
                # Also one that is lost already: its handler may not come to know it.
                self._give_up(number, job)
                continue
            if job.is_lost or self._steady() - job.extended < job.kind.lease.total_seconds() / 3:
                continue
            try:
                job.extend()
            except LostLeaseError as error:
                log.warning("%s", error, extra={"job": job.id})

    def _give_up(self, number: int, job: LeasedJob) -> None:
        """Let a hanging handler lose its lease, and another worker take the place of its own."""
        log.error(
            "A job has come no further for %d minutes: its lease is left to run out",
            job.kind.patience.total_seconds() // 60,
            extra={"job": job.id, "kind": job.kind.name},
        )
        self._given_up.add(number)

    def _see_to_time(self) -> None:
        with self._catalog.read() as connection:
            earliest = next_moment(connection)
            now: datetime = moment_of(connection, self._clock)
        if earliest is not None and earliest <= timestamp(now):
            self._in_turns(lambda transaction, budget: let_time_pass(transaction, budget, self._clock))


def _said(error: Exception) -> str:
    """What an error says, for people: never nothing."""
    return str(error) or type(error).__name__
