"""The workers of a server: woken by commits or by looking; leases are kept; handlers fail, hang and leave off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from kinote.catalog.transactions.announcements import Announcements
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.jobs import workers as workers_module
from kinote.jobs.acts import JobAct, do
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, LostLeaseError, Outcome, PermanentError
from kinote.jobs.workers import Handler, WorkerOptions, Workers
from tests.jobs.shop import LIMIT, SEND, SWEEP, Shop

#: No worker looks by itself within a test; or all the time.
NEVER, ALWAYS = 86_400.0, 0.01

FAST = WorkerOptions(workers=2, look_every=ALWAYS, round=ALWAYS)


@contextmanager
def at_work(
    shop: Shop, handler: Handler, options: WorkerOptions = FAST, *, kind: JobKind = SWEEP, **more: Any
) -> Iterator[Workers]:
    workers = Workers(shop.catalog, {kind: handler}, shop.clock, name="test", options=options, **more)
    try:
        yield workers
    finally:
        workers.close()


def until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(LIMIT * 100):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it has not come to that")


def is_in(shop: Shop, key: int, state: str) -> Callable[[], bool]:
    return lambda: shop.state(key) == state


def test_jobs_are_done_and_say_what_came_of_it(shop: Shop) -> None:
    keys = [shop.enqueue(payload={"number": number}) for number in range(5)]
    with at_work(shop, lambda job: Done(f"number {job.payload['number']}")):
        for number, key in enumerate(keys):
            until(is_in(shop, key, "done"))
            assert shop.row(key).reason == f"number {number}"
    assert shop.history(keys[0]) == [("made", "queued"), ("claimed", "leased"), ("finished", "done")]


def test_a_commit_wakes_a_worker(shop: Shop) -> None:
    with at_work(shop, lambda job: Done(), replace(FAST, look_every=NEVER)):
        for _ in range(3):
            until(is_in(shop, shop.enqueue(), "done"))


def test_a_commit_of_another_server_wakes_a_worker_too(postgresql_url: str) -> None:
    here, there = Catalog(CatalogOptions(postgresql_url)), Catalog(CatalogOptions(postgresql_url))
    with at_work(Shop(here), lambda job: Done(), replace(FAST, look_every=NEVER)):
        until(is_in(Shop(here), Shop(there).enqueue(), "done"))
    here.close()
    there.close()


def test_if_the_wake_up_is_lost_looking_finds_the_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Announcements, "announce", lambda self: None)
    with at_work(shop, lambda job: Done()):
        until(is_in(shop, shop.enqueue(), "done"))


def test_a_handler_says_whether_another_attempt_is_of_use(shop: Shop) -> None:
    def fails(job: LeasedJob) -> Outcome:
        raise PermanentError("no such thing") if job.payload else OSError("the line is bad")

    passing, lasting = shop.enqueue(), shop.enqueue(payload={"x": 1})
    with at_work(shop, fails):
        until(is_in(shop, lasting, "dead"))
        until(is_in(shop, passing, "retry"))
    assert shop.row(lasting).reason == "no such thing"
    assert shop.row(passing).reason == "the line is bad"


def test_poisonous_jobs_do_not_keep_others_from_being_done(shop: Shop) -> None:
    def handler(job: LeasedJob) -> Outcome:
        if job.payload:
            raise OSError("poison")
        return Done()

    poisonous = [shop.enqueue(payload={"poison": True}) for _ in range(5)]
    good = [shop.enqueue() for _ in range(5)]
    with at_work(shop, handler):
        for key in good:
            until(is_in(shop, key, "done"))
        until(lambda: _later_all_are(shop, poisonous, "dead"))


def _later_all_are(shop: Shop, keys: list[int], state: str) -> bool:
    """Whether they are, an hour later each time."""
    shop.age(timedelta(hours=1))
    return all(shop.state(key) == state for key in keys)


def test_the_lease_of_a_long_job_is_kept(shop: Shop) -> None:
    """By a clock that goes on by a second whenever it is asked."""
    seconds = count()
    started, go_on = threading.Event(), threading.Event()

    def waits(job: LeasedJob) -> Outcome:
        started.set()
        go_on.wait(LIMIT)
        job.write(lambda transaction: None)
        return Done()

    key = shop.enqueue()
    patient = replace(SWEEP, patience=timedelta(days=1))
    with at_work(shop, waits, kind=patient, steady=lambda: float(next(seconds))):
        started.wait(LIMIT)
        for _ in range(3):
            shop.age(SWEEP.lease / 2)
            until(lambda: shop.lease_left(key) > SWEEP.lease * 0.6)
        go_on.set()
        until(is_in(shop, key, "done"))


def test_a_handler_that_hangs_loses_its_job_and_another_worker_takes_its_place(sqlite_shop: Shop) -> None:
    steady = 0.0
    hangs, go_on = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def handler(job: LeasedJob) -> Outcome:
        if job.claimed.attempt > 1 or job.payload:
            return Done()
        hangs.set()
        go_on.wait(LIMIT)
        try:
            job.write(lambda transaction: outcomes.append("written"))
        except LostLeaseError:
            outcomes.append("lost")
            raise
        return Done()

    key = sqlite_shop.enqueue()
    with at_work(sqlite_shop, handler, replace(FAST, workers=1), steady=lambda: steady):
        hangs.wait(LIMIT)
        steady = SWEEP.patience.total_seconds() * 2
        other = sqlite_shop.enqueue(payload={"x": 1})
        until(is_in(sqlite_shop, other, "done"))
        sqlite_shop.age(SWEEP.lease * 2)
        until(is_in(sqlite_shop, key, "retry"))
        sqlite_shop.age(timedelta(hours=1))
        until(is_in(sqlite_shop, key, "done"))
        go_on.set()
        until(lambda: outcomes == ["lost"])
    assert sqlite_shop.row(key).attempt == 2


def test_workers_do_not_run_out_however_often_handlers_hang_and_go_on(sqlite_shop: Shop) -> None:
    """Far more often than workers are replaced while handlers hang."""
    steady = 0.0
    hanging: dict[int, threading.Event] = {}

    def handler(job: LeasedJob) -> Outcome:
        hanging[job.id] = go_on = threading.Event()
        go_on.wait(LIMIT)
        return Done()

    with at_work(sqlite_shop, handler, replace(FAST, workers=1), steady=lambda: steady) as workers:
        for _ in range(10):
            key = sqlite_shop.enqueue()
            until(lambda key=key: key in hanging)  # type: ignore[misc]
            steady += SWEEP.patience.total_seconds() * 2
            until(lambda: bool(workers._hanging))
            hanging[key].set()
            until(lambda: not workers._hanging)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_a_handler_ends_is_replaced(sqlite_shop: Shop) -> None:
    def ends(job: LeasedJob) -> Outcome:
        if job.payload:
            raise SystemExit
        return Done()

    for _ in range(5):
        sqlite_shop.enqueue(replace(SWEEP, at_once=100), payload={"x": 1})
    other = sqlite_shop.enqueue()
    with at_work(sqlite_shop, ends, replace(FAST, workers=1), kind=replace(SWEEP, at_once=100)):
        until(is_in(sqlite_shop, other, "done"))


def test_where_all_workers_hang_it_is_said(sqlite_shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    steady = 0.0
    go_on = threading.Event()
    begun: list[int] = []

    def hangs(job: LeasedJob) -> Outcome:
        begun.append(job.id)
        go_on.wait(LIMIT)
        return Done()

    many = replace(SWEEP, at_once=100)
    for _ in range(6):
        sqlite_shop.enqueue(many)
    with at_work(sqlite_shop, hangs, replace(FAST, workers=1), kind=many, steady=lambda: steady):
        for number in range(1, 5):
            until(lambda number=number: len(begun) == number)  # type: ignore[misc]
            steady += SWEEP.patience.total_seconds() * 2
        until(lambda: "No job runs any more" in caplog.text)
        go_on.set()
        until(lambda: all(row.state != "queued" for row in sqlite_shop.rows()))


def test_leases_are_kept_while_something_long_is_swept(
    sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeping goes on as long as the server does, and ends with it."""
    seconds = count()
    started, go_on, sweeps = threading.Event(), threading.Event(), threading.Event()

    def endless(transaction: Any, budget: Any, *_: Any) -> bool:
        sweeps.set()
        return True

    def waits(job: LeasedJob) -> Outcome:
        started.set()
        go_on.wait(LIMIT)
        return Done()

    monkeypatch.setattr(workers_module, "forget", endless)
    patient = replace(SWEEP, patience=timedelta(days=1))
    key = sqlite_shop.enqueue()
    with at_work(sqlite_shop, waits, kind=patient, steady=lambda: float(next(seconds))):
        assert started.wait(LIMIT) and sweeps.wait(LIMIT)
        sqlite_shop.age(SWEEP.lease / 2)
        until(lambda: sqlite_shop.lease_left(key) > SWEEP.lease * 0.6)
        go_on.set()


def test_a_job_that_is_cancelled_while_it_is_done_writes_nothing_more(sqlite_shop: Shop) -> None:
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def handler(job: LeasedJob) -> Outcome:
        started.set()
        go_on.wait(LIMIT)
        try:
            job.write(lambda transaction: None)
        finally:
            ended.set()
        return Done()

    key = sqlite_shop.enqueue()
    with at_work(sqlite_shop, handler):
        started.wait(LIMIT)
        sqlite_shop.catalog.write(
            lambda tx: do(
                tx, JobAct.CANCEL, [key], expected=1, actor="Jane", reason="not now", clock=sqlite_shop.clock
            )
        )
        go_on.set()
        assert ended.wait(LIMIT)
    assert sqlite_shop.state(key) == "cancelled"


def test_at_the_end_of_a_server_handlers_leave_off_and_no_attempt_is_lost(shop: Shop) -> None:
    started = threading.Event()

    def leaves_off(job: LeasedJob) -> Outcome:
        started.set()
        while not job.is_ending():
            threading.Event().wait(0.01)
        return LeftOff()

    key = shop.enqueue()
    with at_work(shop, leaves_off):
        started.wait(LIMIT)
    row = shop.row(key)
    assert (row.state, row.attempts_allowed - row.attempt) == ("queued", SWEEP.attempts)


def test_workers_of_two_servers_do_each_job_once(postgresql_url: str) -> None:
    here, there = Catalog(CatalogOptions(postgresql_url)), Catalog(CatalogOptions(postgresql_url))
    shop, done, lock = Shop(here), [], threading.Lock()

    def handler(job: LeasedJob) -> Outcome:
        with lock:
            done.append(job.id)
        return Done()

    keys = [shop.enqueue() for _ in range(20)]
    with at_work(shop, handler), at_work(Shop(there), handler):
        until(lambda: all(row.state == "done" for row in shop.rows()))
    assert sorted(done) == keys
    here.close()
    there.close()


def test_a_kind_without_handler_is_left_alone(shop: Shop) -> None:
    other, own = shop.enqueue(SEND), shop.enqueue()
    with at_work(shop, lambda job: Done()):
        until(is_in(shop, own, "done"))
    assert shop.state(other) == "queued"


def test_all_that_workers_write_is_background_work(sqlite_url: str) -> None:
    """It has its turn after what somebody waits for, and it is told how long it held the writer."""
    held: list[float] = []
    catalog = Catalog(CatalogOptions(sqlite_url), observe_background=held.append)
    shop = Shop(catalog)
    keys = [shop.enqueue() for _ in range(3)]
    with at_work(shop, lambda job: Done(job.write(lambda transaction: "x"))):
        until(lambda: all(shop.state(key) == "done" for key in keys))
    assert len(held) >= 2 * len(keys)
    catalog.close()
