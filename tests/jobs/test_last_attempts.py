"""What comes after the last attempt that a job is allowed, and a job that nobody can take."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from kinote.catalog.schema.tables import job
from kinote.jobs import moving
from kinote.jobs.acts import SUSPENDED_FOR, JobAct, do
from kinote.jobs.leased import Done, Failed, LeasedJob
from kinote.jobs.states import Event
from kinote.jobs.workers import WorkerOptions, Workers
from tests.jobs.shop import LIMIT, ONCE, SWEEP, Shop


@pytest.fixture
def single(shop: Shop) -> Shop:
    """A shop that also knows the kind whose first attempt is its last."""
    shop.kinds = {kind.name: kind for kind in (ONCE, SWEEP)}
    return shop


def act(shop: Shop, act: JobAct, key: int) -> int:
    return shop.catalog.write(
        lambda transaction: do(
            transaction, act, [key], expected=None, actor="Jane", reason="a change", clock=shop.clock
        )
    ).count


@pytest.mark.parametrize("is_resumed", [True, False], ids=["by a person", "by time"])
def test_law_3_a_job_suspended_in_its_last_attempt_has_another_one(single: Shop, is_resumed: bool) -> None:
    key = single.enqueue(ONCE)
    single.claimed()
    act(single, JobAct.SUSPEND, key)
    if is_resumed:
        act(single, JobAct.RESUME, key)
    else:
        single.pass_time(SUSPENDED_FOR + timedelta(minutes=1))
    assert single.state(key) == "queued"
    single.settle(single.claimed(), Failed("again"))
    assert single.state(key) == "dead"


def spoiled(shop: Shop) -> int:
    """A job that is queued though it has no attempt left: none of ours gets there."""
    key = shop.enqueue(ONCE)
    shop.catalog.write(
        lambda transaction: transaction.execute(job.update().where(job.c.id == key).values(attempt=1))
    )
    return key


def test_law_3_a_job_that_cannot_be_taken_stops_no_other_line(single: Shop) -> None:
    key, other = spoiled(single), single.enqueue(SWEEP)
    assert single.claimed().id == other
    assert single.claim() is None
    assert single.state(key) == "queued"


def test_law_3_what_came_of_a_job_is_kept_whatever_comes_next(single: Shop) -> None:
    started, go_on = threading.Event(), threading.Event()

    def handler(leased: LeasedJob) -> Done:
        started.set()
        go_on.wait(LIMIT)
        return Done("it")

    done = single.enqueue(SWEEP)
    kinds: dict[Any, Any] = dict.fromkeys((SWEEP, ONCE), handler)
    workers = Workers(single.catalog, kinds, single.clock, name="test", options=WorkerOptions(workers=1))
    try:
        assert started.wait(LIMIT)
        spoiled(single)
        go_on.set()
        waiting = threading.Event()
        for _ in range(LIMIT * 100):
            if single.state(done) == "done":
                break
            waiting.wait(0.01)
    finally:
        workers.close()
    assert single.state(done) == "done"


def test_breach_of_law_3_a_last_attempt_that_is_not_given_again_is_noticed(
    single: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for event in (Event.RESUMED, Event.SUSPENSION_OVER):
        monkeypatch.setitem(moving._ATTEMPTS, event, {})
    key = single.enqueue(ONCE)
    single.claimed()
    act(single, JobAct.SUSPEND, key)
    act(single, JobAct.RESUME, key)
    assert single.claim() is None
