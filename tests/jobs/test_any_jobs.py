"""Jobs in any order of events, on both databases: each is in one state with its facts, and all end."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from kinote.catalog.schema.tables import job, job_event
from kinote.catalog.schema.timestamps import timestamp
from kinote.jobs import passing_time
from kinote.jobs.acts import JobAct, do
from kinote.jobs.enqueueing import wake
from kinote.jobs.leased import Done, Failed, LeasedJob, LeftOff, LostLeaseError, Outcome, Waits
from kinote.jobs.lists import JobFilter
from kinote.jobs.moving import Found
from kinote.jobs.passing_time import sort_out_kinds
from kinote.jobs.queues import QueueState, set_queue
from kinote.jobs.states import ENDED, TIMED, TRANSITIONS, Event, State
from tests.jobs.shop import ONCE, SEND, SWEEP, Shop
from tests.scale import SCALE

#: The first attempt of one of them is its last.
KINDS = {kind.name: kind for kind in (SWEEP, SEND, ONCE)}

#: As long as a lease, and longer than anything that is waited for.
LEASE, LONG = SWEEP.lease, timedelta(days=40)

#: Steps in which all that is left must come to its end.
_MOST_STEPS = 200


class Jobs(RuleBasedStateMachine):
    """Workers, people and time at work on the same jobs."""

    shop: Shop

    def __init__(self) -> None:
        super().__init__()
        self.shop.clear()
        self.keys: set[int] = set()
        self.number = 0
        #: What each holder of a lease has last seen of its job.
        self.hands: list[LeasedJob] = []

    held = Bundle("held")

    @rule(kind=st.sampled_from(list(KINDS.values())), to=st.sampled_from(["", "A", "B"]), keyed=st.booleans())
    def enqueue(self, kind: Any, to: str, keyed: bool) -> None:
        key = self.shop.enqueue(kind, {"n": self.number}, destination=to, natural_key="one" if keyed else "")
        self.keys.add(key)
        self.number += 1

    @rule(target=held, worker=st.sampled_from(["a", "b"]))
    def claim(self, worker: str) -> Any:
        leased = self.shop.claim(worker)
        return multiple() if leased is None else leased

    @rule(leased=held)
    def extend(self, leased: LeasedJob) -> None:
        """Also by one that was frozen: it can write if the lease is its own, and else nothing."""
        is_own = self.owns(leased)
        before = self.shop.row(leased.id)
        try:
            leased.write(lambda transaction: None)
        except LostLeaseError:
            assert not is_own
            assert self.shop.row(leased.id) == before
        else:
            assert is_own

    @rule(
        leased=consumes(held),
        outcome=st.sampled_from(
            [
                Done("it"),
                LeftOff(),
                Waits("rain", timedelta(hours=1)),
                Failed("x"),
                Failed("y", for_good=True),
            ]
        ),
    )
    def settle(self, leased: LeasedJob, outcome: Outcome | Failed) -> None:
        assert self.shop.settle(leased, outcome) is self.owns_before(leased)

    @rule(leased=consumes(held))
    def kill(self, leased: LeasedJob) -> None:
        """The worker is never heard of again."""

    @rule(by=st.sampled_from([timedelta(seconds=20), LEASE * 1.5, LONG]))
    def pass_time(self, by: timedelta) -> None:
        self.shop.pass_time(by)

    @rule(by=st.sampled_from([timedelta(days=-400), timedelta(days=400)]))
    def clock_jumps(self, by: timedelta) -> None:
        """Of this process: on PostgreSQL it means nothing."""
        self.shop.clock.now += by

    @rule(act=st.sampled_from(JobAct), state=st.sampled_from(["", *State]))
    def act(self, act: JobAct, state: str) -> None:
        self.shop.catalog.write(
            lambda transaction: do(
                transaction,
                act,
                JobFilter(state=state),
                expected=None,
                actor="somebody",
                reason="why not",
                clock=self.shop.clock,
            )
        )

    @rule()
    def wake(self) -> None:
        self.shop.catalog.write(lambda transaction: wake(transaction, SWEEP, "one", clock=self.shop.clock))

    @rule(kind=st.sampled_from(sorted(KINDS)), state=st.sampled_from(QueueState))
    def set_queue(self, kind: str, state: QueueState) -> None:
        self.shop.catalog.write(
            lambda transaction: set_queue(
                transaction, kind, state, actor="somebody", reason="a change", clock=self.shop.clock
            )
        )

    @rule(known=st.sets(st.sampled_from(sorted(KINDS))))
    def server_of_another_version(self, known: set[str]) -> None:
        sort_out_kinds(self.shop.catalog, known, self.shop.clock)

    def owns(self, leased: LeasedJob) -> bool:
        row = self.shop.row(leased.id)
        is_its_attempt = (row.state, row.attempt, row.worker) == (
            State.LEASED,
            leased.claimed.attempt,
            leased.claimed.worker,
        )
        return is_its_attempt and not self.shop.is_over(row.until_at)

    def owns_before(self, leased: LeasedJob) -> bool:
        """Whether the last entry of its history is of this attempt, and was one that settles it."""
        with self.shop.catalog.read() as connection:
            last = connection.execute(
                select(job_event).where(job_event.c.job == leased.id).order_by(job_event.c.id.desc()).limit(1)
            ).one()
        return (
            last.from_state == State.LEASED
            and last.attempt == leased.claimed.attempt
            and not last.actor
            and (
                last.event
                in {Event.FINISHED, Event.LEFT_OFF, Event.BEGAN_TO_WAIT, Event.FAILED, Event.FAILED_FOR_GOOD}
            )
        )

    @invariant()
    def no_job_is_lost_and_each_is_in_one_state_with_its_facts(self) -> None:
        rows = self.shop.rows()
        assert {row.id for row in rows} == self.keys
        for row in rows:
            state = State(row.state)
            assert (row.until_at is not None) == (state in TIMED)
            assert (row.ended_at is not None) == (state in ENDED)
            assert (row.worker is not None) == (state is State.LEASED)

    @invariant()
    def the_history_tells_how_each_came_there(self) -> None:
        with self.shop.catalog.read() as connection:
            events = connection.execute(select(job_event).order_by(job_event.c.id)).all()
        at: dict[int, str] = {}
        for each in events:
            assert each.from_state == at.get(each.job, "")
            if each.from_state:
                assert TRANSITIONS[State(each.from_state), Event(each.event)] == each.to_state
            at[each.job] = each.to_state
        assert at == {row.id: row.state for row in self.shop.rows()}

    @invariant()
    def shares_are_kept(self) -> None:
        leased = Counter((row.kind, row.destination) for row in self.shop.rows() if row.state == "leased")
        for (kind, destination), number in leased.items():
            assert number <= KINDS[kind].at_once
            assert not destination or number <= KINDS[kind].to_each

    @invariant()
    def nobody_has_two_live_jobs_under_one_natural_key(self) -> None:
        live = Counter(
            (row.kind, row.natural_key) for row in self.shop.rows() if row.natural_key and not row.ended_at
        )
        assert all(number == 1 for number in live.values())

    def teardown(self) -> None:
        """With queues that run, workers that die each time and nobody who helps, all end; so does what is run again."""
        for kind in KINDS:
            self.set_queue(kind, QueueState.RUNNING)
        self.all_end()
        self.act(JobAct.RETRY, "")
        self.all_end()

    def all_end(self) -> None:
        for _ in range(_MOST_STEPS):
            if all(row.ended_at for row in self.shop.rows()):
                return
            while self.shop.claim() is not None:
                pass
            self.shop.pass_time(LONG)
        raise AssertionError(f"These never end: {[row for row in self.shop.rows() if not row.ended_at]}")


def run(shop: Shop, examples: int, steps: int) -> None:
    shop.kinds = KINDS
    bound = type("BoundJobs", (Jobs,), {"shop": shop})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.mark.soak
def test_law_3_whatever_happens_each_job_ends(shop: Shop) -> None:
    run(shop, SCALE.law_steps // 50, 25)


def test_breach_of_law_3_a_deadline_that_is_passed_over_is_noticed(
    sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = passing_time._pass

    def instead(transaction: Any, one: Found, now: datetime) -> None:
        if one.state is not State.WAITING:
            passing(transaction, one, now)
            return
        later = timestamp(now + timedelta(hours=1))
        transaction.execute(job.update().where(job.c.id == one.id).values(until_at=later))

    monkeypatch.setattr(passing_time, "_pass", instead)
    key = sqlite_shop.enqueue()
    sqlite_shop.settle(sqlite_shop.claimed(), Waits("rain", timedelta(hours=1)))
    with pytest.raises(AssertionError, match="never end"):
        _At(sqlite_shop).all_end()
    assert sqlite_shop.state(key) == State.WAITING


def test_breach_of_law_3_a_worker_that_writes_without_its_lease_is_noticed(
    sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The condition on the attempt is left out: two then own one job."""
    monkeypatch.setattr(LeasedJob, "_is_mine", lambda self, now: job.c.id == self.id)
    key = sqlite_shop.enqueue()
    frozen = sqlite_shop.claimed("frozen")
    sqlite_shop.pass_time(SWEEP.lease * 2)
    sqlite_shop.pass_time(timedelta(hours=2))
    sqlite_shop.claimed("other")
    machine = _At(sqlite_shop)
    assert not Jobs.owns(machine, frozen)
    with pytest.raises(AssertionError):
        Jobs.extend(machine, frozen)
    assert sqlite_shop.row(key).worker == "other"


class _At(Jobs):
    """The machine's own words about a shop, outside of a run."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
