"""The workers of a server: threads that run jobs, a keeper that extends their leases, and a sweeper.

The sweeper makes the time-driven changes of `passing_time`. These may take long, so they have their own thread and do
not delay the extension of leases.

A commit that adds jobs wakes the workers of all servers (`kinote.catalog.transactions.announcements`). Without such a
notification, they look for jobs at intervals.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
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
from kinote.jobs.claiming import (
    ANY_QUEUED,
    Claimed,
    Held,
    Turns,
    claim,
    has_work,
    nothing_held,
)
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Failed, LeasedJob, LeftOff, LostLeaseError, Outcome, PermanentError
from kinote.jobs.moments import moment_of
from kinote.jobs.passing_time import (
    change_due_jobs,
    forget,
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
    "Ended attempts at jobs by workers of this server, by kind and outcome.",
    ["kind", "outcome"],
    registry=REGISTRY,
)

_WORKERS = Gauge(
    "kinote_job_workers",
    "Workers of this server whose handlers do not hang. At 0, no job runs until a restart.",
    registry=REGISTRY,
)

#: Seconds after which an idle worker looks for jobs without being woken.
_LOOK_EVERY = 15.0

#: Minimum seconds between two looks of an idle worker, since there may be hundreds of commits a second.
_SPACING = 0.1

#: Seconds between rounds of keeper and sweeper, between checks for unknown kinds, and between removals of old history.
_ROUND, _SORT_EVERY, _FORGET_EVERY = 1.0, 60.0, 600.0

#: Maximum seconds to wait for running handlers when the server stops.
_LONGEST_END = 30.0

#: Maximum additional threads for each worker, to replace those whose handlers hang.
_REPLACED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of the workers: their number, how long ended jobs and history are kept, and intervals in seconds."""

    workers: int = 2
    kept: timedelta = timedelta(days=30)
    look_every: float = _LOOK_EVERY
    round: float = _ROUND


class Workers:
    """Runs jobs of the kinds in `handlers` until it is closed.

    `name` is that of the server process. `steady` is a monotonic clock in seconds. `held` says for which destinations
    jobs are to wait. Workers that are `beside` others of their server leave it to these to let time pass for all jobs
    (`kinote.jobs.passing_time`); then the others are told by `known` which kinds there are.
    """

    def __init__(
        self,
        catalog: Catalog,
        handlers: Mapping[JobKind, Handler],
        clock: Clock,
        *,
        name: str,
        options: WorkerOptions = WorkerOptions(),
        steady: Callable[[], float] = time.monotonic,
        held: Held = nothing_held,
        beside: bool = False,
        known: Iterable[JobKind] = (),
    ) -> None:
        self._held = held
        self._is_beside = beside
        self._catalog = catalog
        self._kinds = {kind.name: kind for kind in handlers}
        self._known = {*self._kinds, *(kind.name for kind in known)}
        self._handlers = {kind.name: handler for kind, handler in handlers.items()}
        self._clock = clock
        self._name = name
        self._options = options
        self._steady = steady
        self._turns = Turns()
        self._changed = threading.Condition()
        self._may_have_work = True
        self._ending = threading.Event()
        #: The running job of each worker, and the workers whose handlers hang.
        self._running: dict[int, LeasedJob] = {}
        self._hanging: set[int] = set()
        self._threads: dict[int, threading.Thread] = {}
        self._numbers = itertools.count()
        self._is_short = False
        self._closing = ExitStack()
        self._closing.enter_context(catalog.announcements.listening(self.wake))
        for _ in range(options.workers):
            self._begin_worker()
        self._keepers = [threading.Thread(target=self._keep, name="jobs-keeper", daemon=True)]
        if not beside:
            self._keepers.append(threading.Thread(target=self._sweep, name="jobs-sweeper", daemon=True))
        for keeper in self._keepers:
            keeper.start()

    def wake(self) -> None:
        """Wake a worker, because there may be jobs."""
        with self._changed:
            self._may_have_work = True
            # A worker that finds a job wakes the next one.
            self._changed.notify()

    def close(self) -> None:
        """Ask the handlers to stop and wait for them. A handler that does not stop in time loses its lease later."""
        self._closing.close()
        self._ending.set()
        with self._changed:
            self._changed.notify_all()
        for keeper in self._keepers:
            keeper.join()
        until = self._steady() + _LONGEST_END
        for thread in self._threads.values():
            thread.join(max(0.0, until - self._steady()))
        if left := [job.id for job in self._running.values()]:
            log.warning("Jobs were still running when this server stopped", extra={"jobs": left})

    def _begin_worker(self) -> None:
        number = next(self._numbers)
        thread = threading.Thread(target=self._work, args=(number,), name=f"jobs-{number}", daemon=True)
        self._threads[number] = thread
        thread.start()

    def _work(self, number: int) -> None:
        claimed: Claimed | None = None
        while not self._ending.is_set() and number not in self._hanging:
            try:
                claimed = claimed or self._next(number)
                if claimed is None:
                    self._wait()
                    continue
                current, claimed = claimed, None
                self.wake()
                claimed = self._run(number, current)
            except CatalogClosedError:
                return
            except IndexUnavailableError as error:
                log.warning("A worker could not take or end a job, and goes on: %s", error)
                self._ending.wait(_SPACING * 10)
            except Exception:  # Whatever it is, it must not end the worker.
                log.exception("A worker could not begin or end a job; it continues with others")
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
            if not has_work(connection, self._kinds, self._turns, self._held):
                return None
        return self._catalog.submit(partial(self._claim, number), background=True).result()

    def _claim(self, number: int, transaction: Connection) -> Claimed | None:
        now = moment_of(transaction, self._clock)
        return claim(transaction, self._kinds, self._turns, f"{self._name}-{number}", now, self._held)

    def _run(self, number: int, claimed: Claimed) -> Claimed | None:
        """Run a job. Returns the next one, which is claimed in the transaction that ends the first."""
        job = LeasedJob(
            self._catalog,
            self._clock,
            self._kinds[claimed.kind],
            claimed,
            is_ending=self._ending.is_set,
            steady=self._steady,
        )
        self._running[number] = job
        try:
            outcome = self._outcome(job)
        finally:
            del self._running[number]
        if outcome is None:
            _ATTEMPTS.labels(claimed.kind, "lost").inc()
            return None
        goes_on = not self._ending.is_set() and number not in self._hanging

        def settle(transaction: Connection) -> tuple[bool, Claimed | None]:
            settled = job.settle(transaction, outcome, random.random())
            return settled, self._claim(number, transaction) if goes_on else None

        settled, following = self._catalog.submit(settle, background=True).result()
        _ATTEMPTS.labels(claimed.kind, type(outcome).__name__.lower() if settled else "lost").inc()
        return following

    def _outcome(self, job: LeasedJob) -> Outcome | Failed | None:
        """Call the handler and return the outcome; None if the lease was lost."""
        fields = {"job": job.id, "kind": job.kind.name, "attempt": job.claimed.attempt}
        try:
            return self._handlers[job.kind.name](job)
        except LostLeaseError as error:
            log.warning("%s", error, extra=fields)
            return None
        except CatalogClosedError:
            raise
        except PermanentError as error:
            log.warning("A job cannot be done: %s", error, extra=fields)
            return Failed(_message(error), for_good=True)
        except Exception as error:
            if job.is_lost:
                return None
            log.warning("An attempt at a job has failed", extra=fields, exc_info=True)
            return Failed(_message(error))

    def _give_back(self, claimed: Claimed) -> None:
        """Return a job that was claimed just before the server stopped, without counting the attempt."""
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
                log.exception("Leases could not be extended; trying again")

    def _replace_lost_workers(self) -> None:
        """Start workers in place of those whose handlers hang. Hanging workers end when their handlers do."""
        for number, thread in list(self._threads.items()):
            if not thread.is_alive():
                del self._threads[number]
                self._hanging.discard(number)
        at_work = len(self._threads) - len(self._hanging)
        while at_work < self._options.workers and len(self._threads) < self._most:
            self._begin_worker()
            at_work += 1
        if not self._is_beside:
            _WORKERS.set(at_work)
        if not at_work and not self._is_short:
            log.error(
                "No job runs any more: the handlers of all %d workers hang. Restart the server",
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
                self._change_due_jobs()
                now = self._steady()
                if now - sorted_at >= _SORT_EVERY:
                    sorted_at = now
                    sort_out_kinds(self._catalog, self._known, self._clock, is_ending=self._ending.is_set)
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
                log.exception("Due jobs could not be changed; trying again")

    def _in_turns(self, step: Callable[[Connection, Budget], bool]) -> None:
        """Do long work in several transactions. When the server is stopping, no further one is begun."""
        self._catalog.in_turns(until_ending(step, self._ending.is_set))

    def _extend_leases(self) -> None:
        for number, job in list(self._running.items()):
            if number in self._hanging:
                continue
            if job.is_stuck():
                # Even if the lease is already lost: the handler may never notice.
                self._give_up(number, job)
                continue
            if job.is_lost or self._steady() - job.extended < job.kind.lease.total_seconds() / 3:
                continue
            try:
                job.extend()
            except LostLeaseError as error:
                log.warning("%s", error, extra={"job": job.id})

    def _give_up(self, number: int, job: LeasedJob) -> None:
        """Stop extending the lease of a hanging handler, so that another worker replaces its own."""
        log.error(
            "A job has made no progress for %d minutes: its lease is no longer extended",
            job.kind.patience.total_seconds() // 60,
            extra={"job": job.id, "kind": job.kind.name},
        )
        self._hanging.add(number)

    def _change_due_jobs(self) -> None:
        with self._catalog.read() as connection:
            earliest = next_moment(connection)
            now: datetime = moment_of(connection, self._clock)
        if earliest is not None and earliest <= timestamp(now):
            self._in_turns(lambda transaction, budget: change_due_jobs(transaction, budget, self._clock))


def _message(error: Exception) -> str:
    """Return the message of an error, or its type if it has none."""
    return str(error) or type(error).__name__
