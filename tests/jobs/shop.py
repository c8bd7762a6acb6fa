"""What the tests of jobs work with: kinds, a clock that can be set, and one worker's hands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from kinote.catalog.schema.tables import job, job_event, job_queue
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.jobs.claiming import Claimed, Turns, claim
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Failed, LeasedJob, Outcome
from kinote.jobs.moments import moment_of
from kinote.jobs.passing_time import change_due_jobs

#: Seconds after which something counts as lost.
LIMIT = 60

SWEEP = JobKind("sweep", "sweeps", attempts=3, at_once=2)
SEND = JobKind("send", "sends", attempts=2, at_once=10, to_each=1)
ONCE = JobKind("once", "does it once", attempts=1)
KINDS = {kind.name: kind for kind in (SWEEP, SEND)}


class Clock:
    """Of this process; on PostgreSQL nothing that is written or judged depends on it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Shop:
    """Jobs on one database, done by hand."""

    def __init__(self, catalog: Catalog, kinds: Mapping[str, JobKind] = KINDS) -> None:
        self.catalog = catalog
        self.kinds = kinds
        self.clock = Clock()
        self.turns = Turns()

    def enqueue(self, kind: JobKind = SWEEP, payload: Mapping[str, Any] | None = None, **options: Any) -> int:
        return self.catalog.write(
            lambda transaction: enqueue(
                transaction, kind, payload or {}, clock=self.clock, actor="test", **options
            )
        ).id

    def claim(self, worker: str = "w", turns: Turns | None = None) -> LeasedJob | None:
        def claiming(transaction: Any) -> Claimed | None:
            now = moment_of(transaction, self.clock)
            return claim(transaction, self.kinds, turns or self.turns, worker, now)

        claimed = self.catalog.write(claiming)
        if claimed is None:
            return None
        return LeasedJob(self.catalog, self.clock, self.kinds[claimed.kind], claimed)

    def claimed(self, worker: str = "w") -> LeasedJob:
        found = self.claim(worker)
        assert found is not None
        return found

    def settle(self, leased: LeasedJob, outcome: Outcome | Failed) -> bool:
        return self.catalog.write(lambda transaction: leased.settle(transaction, outcome, 1.0))

    def pass_time(self, by: timedelta) -> None:
        """So much time passes, and a server looks what is due."""
        self.age(by)
        self.catalog.in_turns(lambda transaction, budget: change_due_jobs(transaction, budget, self.clock))

    def age(self, by: timedelta) -> None:
        """So much time passes: by the clock, or all that is stored is as much older."""
        if self.catalog.is_sqlite:
            self.clock.now += by
        else:
            self.catalog.write(lambda transaction: _age(transaction, by))

    def is_over(self, moment: str) -> bool:
        """Whether a moment has passed by the clock of jobs."""
        with self.catalog.read() as connection:
            return moment < timestamp(moment_of(connection, self.clock))

    def lease_left(self, key: int) -> timedelta:
        """How long the lease of a job still is."""
        with self.catalog.read() as connection:
            until_at = connection.execute(select(job.c.until_at).where(job.c.id == key)).scalar_one()
            return datetime.fromisoformat(until_at) - moment_of(connection, self.clock)

    def row(self, key: int) -> Any:
        with self.catalog.read() as connection:
            return connection.execute(select(job).where(job.c.id == key)).one()

    def rows(self) -> list[Any]:
        with self.catalog.read() as connection:
            return list(connection.execute(select(job).order_by(job.c.id)))

    def state(self, key: int) -> str:
        return str(self.row(key).state)

    def history(self, key: int) -> list[tuple[str, str]]:
        query = select(job_event.c.event, job_event.c.to_state).where(job_event.c.job == key)
        with self.catalog.read() as connection:
            return [(row.event, row.to_state) for row in connection.execute(query.order_by(job_event.c.id))]

    def clear(self) -> None:
        def empty(transaction: Any) -> None:
            for table in (job_event, job, job_queue):
                transaction.execute(table.delete())

        self.catalog.write(empty)


def _age(transaction: Any, by: timedelta) -> None:
    for table, names in (
        (job, ("made_at", "changed_at", "until_at", "ended_at")),
        (job_event, ("happened_at",)),
    ):
        for row in transaction.execute(select(table).with_for_update()).mappings().all():
            older = {name: timestamp(datetime.fromisoformat(row[name]) - by) for name in names if row[name]}
            transaction.execute(table.update().where(table.c.id == row["id"]).values(older))
