"""Leases: whoever has lost one can write nothing, and whatever its worker does, a job comes to an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import index_fact, job_event
from kinote.jobs.acts import JobAct, do
from kinote.jobs.enqueueing import cancel, wake
from kinote.jobs.kinds import pause_after
from kinote.jobs.leased import Done, Failed, LeasedJob, LeftOff, LostLeaseError, Waits
from kinote.jobs.passing_time import forget
from tests.jobs.shop import SWEEP, Shop

LEASE = SWEEP.lease


def write_something(leased: LeasedJob) -> None:
    leased.write(lambda transaction: transaction.execute(index_fact.insert().values(name="seen", value="x")))


def seen(shop: Shop) -> bool:
    with shop.catalog.read() as connection:
        return connection.execute(select(index_fact).where(index_fact.c.name == "seen")).first() is not None


def come_back(shop: Shop) -> LeasedJob:
    """The lease runs out, and another worker takes the job."""
    shop.pass_time(LEASE * 2)
    shop.pass_time(timedelta(hours=2))
    return shop.claimed("another")


def test_law_3_a_frozen_worker_that_wakes_up_writes_nothing(shop: Shop) -> None:
    key = shop.enqueue()
    frozen = shop.claimed()
    other = come_back(shop)
    before = shop.row(key)
    with pytest.raises(LostLeaseError):
        write_something(frozen)
    assert not shop.settle(frozen, Done())
    assert not seen(shop)
    assert shop.row(key) == before
    write_something(other)
    assert seen(shop)
    assert shop.settle(other, Done())
    assert shop.history(key)[-1] == ("finished", "done")


def test_a_lease_that_ran_out_is_lost_before_anybody_has_seen_it(shop: Shop) -> None:
    shop.enqueue()
    frozen = shop.claimed()
    shop.age(LEASE * 2)
    with pytest.raises(LostLeaseError):
        write_something(frozen)
    assert not seen(shop)


def test_what_a_worker_writes_extends_its_lease(shop: Shop) -> None:
    key = shop.enqueue()
    worker = shop.claimed()
    for _ in range(5):
        shop.pass_time(LEASE / 2)
        write_nothing = worker.write(lambda transaction: 7)
        assert write_nothing == 7
    assert shop.state(key) == "leased"


@pytest.mark.parametrize("act", [JobAct.CANCEL, JobAct.SUSPEND])
def test_a_job_that_was_taken_from_its_worker_is_not_written_any_more(shop: Shop, act: JobAct) -> None:
    key = shop.enqueue()
    worker = shop.claimed()
    shop.catalog.write(
        lambda transaction: do(
            transaction, act, [key], expected=1, actor="Jane", reason="not now", clock=shop.clock
        )
    )
    with pytest.raises(LostLeaseError):
        write_something(worker)
    assert worker.is_ending()
    assert not shop.settle(worker, Done())


def test_a_transaction_that_fails_extends_nothing(shop: Shop) -> None:
    key = shop.enqueue()
    worker = shop.claimed()
    before = shop.row(key)

    def fails(transaction: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        worker.write(fails, {"after": 7})
    assert shop.row(key) == before
    assert worker.progress == {}


def test_each_failure_doubles_the_pause_and_the_last_is_death(shop: Shop) -> None:
    key = shop.enqueue()
    for attempt in range(1, SWEEP.attempts):
        assert shop.settle(shop.claimed(), Failed(f"failure {attempt}"))
        assert shop.state(key) == "retry"
        assert shop.claim() is None
        shop.pass_time(
            pause_after(attempt, SWEEP.first_pause, SWEEP.longest_pause, 1.0) + timedelta(seconds=1)
        )
    assert shop.settle(shop.claimed(), Failed("failure 3"))
    row = shop.row(key)
    assert (row.state, row.reason, row.attempt) == ("dead", "failure 3", SWEEP.attempts)


def test_a_failure_for_good_is_death_at_once(shop: Shop) -> None:
    key = shop.enqueue()
    shop.settle(shop.claimed(), Failed("no such thing", for_good=True))
    assert (shop.state(key), shop.row(key).attempt) == ("dead", 1)


def test_a_dead_job_can_be_run_again_with_all_its_attempts(shop: Shop) -> None:
    key = shop.enqueue()
    shop.settle(shop.claimed(), Failed("broken", for_good=True))
    shop.catalog.write(
        lambda transaction: do(
            transaction, JobAct.RETRY, [key], expected=1, actor="Jane", reason="mended", clock=shop.clock
        )
    )
    row = shop.row(key)
    assert (row.state, row.attempt, row.attempts_allowed) == ("queued", 1, 1 + SWEEP.attempts)
    shop.settle(shop.claimed(), Done("it went well"))
    assert (shop.state(key), shop.row(key).reason) == ("done", "it went well")


def test_progress_begins_a_new_round_of_attempts(shop: Shop) -> None:
    key = shop.enqueue()
    for _ in range(SWEEP.attempts * 2):
        worker = shop.claimed()
        worker.write(lambda transaction: None, {"after": worker.progress.get("after", 0) + 1})
        shop.settle(worker, Failed("a bad line"))
        shop.pass_time(timedelta(minutes=1))
    assert shop.state(key) == "queued"
    assert shop.claimed().progress == {"after": SWEEP.attempts * 2}


def test_leaving_off_is_no_attempt(shop: Shop) -> None:
    key = shop.enqueue()
    for _ in range(SWEEP.attempts * 2):
        assert shop.settle(shop.claimed(), LeftOff())
    assert shop.state(key) == "queued"


def test_a_job_that_waits_is_woken_or_dead_after_its_deadline(shop: Shop) -> None:
    woken = shop.enqueue(natural_key="a")
    shop.settle(shop.claimed(), Waits("rain", timedelta(hours=1)))
    assert shop.catalog.write(lambda tx: wake(tx, SWEEP, "a", clock=shop.clock))
    assert not shop.catalog.write(lambda tx: wake(tx, SWEEP, "b", clock=shop.clock))
    assert shop.state(woken) == "queued"
    shop.settle(shop.claimed(), Waits("rain", timedelta(hours=1)))
    shop.pass_time(timedelta(hours=2))
    row = shop.row(woken)
    assert (row.state, row.reason) == ("dead", "It waited too long: rain")


def test_what_makes_a_job_pointless_cancels_it_in_its_own_transaction(shop: Shop) -> None:
    key = shop.enqueue(natural_key="a")

    def fails(transaction: Any) -> None:
        assert cancel(transaction, SWEEP, "a", actor="Jane", reason="withdrawn", clock=shop.clock)
        raise ValueError

    with pytest.raises(ValueError):
        shop.catalog.write(fails)
    assert shop.state(key) == "queued"
    shop.catalog.write(lambda tx: cancel(tx, SWEEP, "a", actor="Jane", reason="withdrawn", clock=shop.clock))
    assert shop.state(key) == "cancelled"


def test_pauses_double_with_chance_up_to_the_longest() -> None:
    first, longest = timedelta(seconds=4), timedelta(minutes=1)
    assert [pause_after(n, first, longest, 1.0).total_seconds() for n in (1, 2, 3, 5, 6, 999)] == [
        4,
        8,
        16,
        60,
        60,
        60,
    ]
    assert pause_after(3, first, longest, 0.0) == timedelta(seconds=8)


def test_jobs_that_ended_and_old_history_are_forgotten_and_the_dead_are_not(shop: Shop) -> None:
    done, dead, queued = (shop.enqueue() for _ in range(3))
    shop.settle(shop.claimed(), Done())
    shop.settle(shop.claimed(), Failed("broken", for_good=True))
    shop.pass_time(timedelta(days=31))
    shop.catalog.in_turns(lambda tx, budget: forget(tx, budget, shop.clock, timedelta(days=30)))
    assert {row.id: row.state for row in shop.rows()} == {dead: "dead", queued: "queued"}
    with shop.catalog.read() as connection:
        assert connection.execute(select(job_event)).all() == []
    assert done not in {shop.enqueue() for _ in range(3)}


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.jobs.workers import Workers, WorkerOptions
from tests.jobs.shop import SWEEP

def dies(job):
    job.write(lambda transaction: None)
    os.kill(os.getpid(), signal.SIGKILL)

catalog = Catalog(CatalogOptions(sys.argv[1]))
Workers(catalog, {SWEEP: dies}, lambda: datetime.fromisoformat(sys.argv[2]), name="victim", options=WorkerOptions(1))
signal.pause()
"""


def test_law_3_a_job_that_kills_its_worker_each_time_ends_dead(sqlite_shop: Shop, sqlite_url: str) -> None:
    shop = sqlite_shop
    key = shop.enqueue()
    for _ in range(SWEEP.attempts):
        assert kill_worker(shop, sqlite_url) == -signal.SIGKILL
        assert shop.state(key) == "leased"
        shop.pass_time(LEASE * 2)
        shop.pass_time(timedelta(hours=2))
    row = shop.row(key)
    assert (row.state, row.attempt) == ("dead", SWEEP.attempts)
    assert "victim-0 stopped responding" in row.reason


def kill_worker(shop: Shop, url: str) -> int:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", _KILLED, url, shop.clock.now.isoformat()],
        env={**os.environ, "PYTHONPATH": f"{root}/src:{root}"},
        timeout=60,
        check=False,
    ).returncode
