"""The table of transitions: each state with each event, and the conditions of the table of jobs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Update, update
from sqlalchemy.exc import IntegrityError

from kinote.catalog.schema.tables import job
from kinote.catalog.schema.tables.jobs import ENDED, STATES, TIMED
from kinote.jobs import states
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import FOUND, found, move
from kinote.jobs.states import TRANSITIONS, Event, State, TransitionRefusedError, following
from tests.jobs.shop import Shop

#: What leads where, written down once more by hand: in each state, the events that can happen.
EXPECTED: dict[State, dict[Event, State]] = {
    State.QUEUED: {
        Event.CLAIMED: State.LEASED,
        Event.KIND_UNKNOWN: State.WAITING,
        Event.SUSPENDED: State.SUSPENDED,
        Event.CANCELLED: State.CANCELLED,
    },
    State.LEASED: {
        Event.FINISHED: State.DONE,
        Event.LEFT_OFF: State.QUEUED,
        Event.FAILED: State.RETRY,
        Event.FAILED_FOR_GOOD: State.DEAD,
        Event.LEASE_LOST: State.RETRY,
        Event.LEASE_LOST_FOR_GOOD: State.DEAD,
        Event.BEGAN_TO_WAIT: State.WAITING,
        Event.SUSPENDED: State.SUSPENDED,
        Event.CANCELLED: State.CANCELLED,
    },
    State.WAITING: {
        Event.WOKEN: State.QUEUED,
        Event.DEADLINE_PASSED: State.DEAD,
        Event.SUSPENDED: State.SUSPENDED,
        Event.CANCELLED: State.CANCELLED,
    },
    State.RETRY: {
        Event.DUE: State.QUEUED,
        Event.SUSPENDED: State.SUSPENDED,
        Event.CANCELLED: State.CANCELLED,
        Event.RUN_AGAIN: State.QUEUED,
    },
    State.SUSPENDED: {
        Event.SUSPENSION_OVER: State.QUEUED,
        Event.RESUMED: State.QUEUED,
        Event.CANCELLED: State.CANCELLED,
    },
    State.DONE: {},
    State.DEAD: {Event.RUN_AGAIN: State.QUEUED, Event.CANCELLED: State.CANCELLED},
    State.CANCELLED: {},
}

#: The events by which a job comes from its making into each state.
WAYS: dict[State, tuple[Event, ...]] = {
    State.QUEUED: (),
    State.LEASED: (Event.CLAIMED,),
    State.WAITING: (Event.CLAIMED, Event.BEGAN_TO_WAIT),
    State.RETRY: (Event.CLAIMED, Event.FAILED),
    State.SUSPENDED: (Event.SUSPENDED,),
    State.DONE: (Event.CLAIMED, Event.FINISHED),
    State.DEAD: (Event.CLAIMED, Event.FAILED_FOR_GOOD),
    State.CANCELLED: (Event.CANCELLED,),
}


def happen(shop: Shop, key: int, event: Event) -> None:
    def work(transaction: Any) -> None:
        those = found(transaction, FOUND.where(job.c.id == key))
        now = moment_of(transaction, shop.clock)
        target = following(those[0].state, event)
        move(
            transaction,
            those,
            event,
            now,
            until=now + timedelta(minutes=1) if target in states.TIMED else None,
            worker="w" if target is State.LEASED else None,
            reason="why",
            actor="who",
        )

    shop.catalog.write(work)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)), ids=str)
def test_each_state_with_each_event(state: State, event: Event) -> None:
    expected = EXPECTED[state].get(event)
    if expected is None:
        with pytest.raises(TransitionRefusedError):
            following(state, event)
    else:
        assert following(state, event) is expected


def test_each_state_with_each_event_in_the_database(shop: Shop) -> None:
    """What is refused changes nothing; what happens is in the history."""
    for state, event in product(State, Event):
        key = shop.enqueue()
        for each in WAYS[state]:
            happen(shop, key, each)
        before, told = shop.row(key), shop.history(key)
        assert before.state == state
        if event in EXPECTED[state]:
            happen(shop, key, event)
            assert shop.state(key) == EXPECTED[state][event]
            assert shop.history(key) == [*told, (event, EXPECTED[state][event])]
        else:
            with pytest.raises(TransitionRefusedError):
                happen(shop, key, event)
            assert (shop.row(key), shop.history(key)) == (before, told)


def test_the_tables_say_the_same_of_states() -> None:
    assert tuple(State) == STATES
    assert frozenset(TIMED) == states.TIMED
    assert frozenset(ENDED) == states.ENDED


def test_law_3_a_worker_or_time_alone_leads_each_job_to_an_end() -> None:
    """Without people, without anything that is waited for, and with workers that die in every attempt."""
    by_time = {
        Event.CLAIMED,
        Event.LEASE_LOST_FOR_GOOD,
        Event.DEADLINE_PASSED,
        Event.DUE,
        Event.SUSPENSION_OVER,
    }
    assert stuck(by_time) == set()


def test_breach_of_law_3_a_state_without_a_way_out_is_noticed() -> None:
    for left_out in (Event.DEADLINE_PASSED, Event.DUE, Event.SUSPENSION_OVER, Event.LEASE_LOST_FOR_GOOD):
        others = {
            Event.CLAIMED,
            Event.LEASE_LOST_FOR_GOOD,
            Event.DEADLINE_PASSED,
            Event.DUE,
            Event.SUSPENSION_OVER,
        } - {left_out}
        assert stuck(others) != set()


def stuck(events: set[Event]) -> set[State]:
    """The states from which these events lead to no end."""
    ended = set(states.ENDED)
    while True:
        more = {
            state for (state, event), target in TRANSITIONS.items() if event in events and target in ended
        }
        if more <= ended:
            return set(State) - ended
        ended |= more


#: What no job may be, beginning from a job in a state.
IMPOSSIBLE: list[tuple[State, dict[str, Any]]] = [
    (State.QUEUED, {"state": "lost"}),
    (State.QUEUED, {"priority": 10}),
    (State.QUEUED, {"until_at": "2026"}),
    (State.QUEUED, {"worker": "w"}),
    (State.QUEUED, {"ended_at": "2026"}),
    (State.QUEUED, {"attempts": 0}),
    (State.QUEUED, {"attempts_allowed": 2}),
    (State.QUEUED, {"attempt": 4}),
    (State.LEASED, {"worker": None}),
    (State.LEASED, {"until_at": None}),
    (State.LEASED, {"attempt": 0}),
    (State.WAITING, {"until_at": None}),
    (State.WAITING, {"reason": ""}),
    (State.RETRY, {"until_at": None}),
    (State.RETRY, {"reason": ""}),
    (State.RETRY, {"attempt": 0}),
    (State.SUSPENDED, {"until_at": None}),
    (State.SUSPENDED, {"reason": ""}),
    (State.SUSPENDED, {"actor": ""}),
    (State.DONE, {"ended_at": None}),
    (State.DONE, {"attempt": 0}),
    (State.DEAD, {"reason": ""}),
    (State.DEAD, {"ended_at": None}),
    (State.DEAD, {"until_at": "2026"}),
    (State.CANCELLED, {"reason": ""}),
    (State.CANCELLED, {"actor": ""}),
    (State.CANCELLED, {"worker": "w"}),
]


def test_law_3_impossible_combinations_are_refused_by_the_database(shop: Shop) -> None:
    for state, values in IMPOSSIBLE:
        key = shop.enqueue()
        for event in WAYS[state]:
            happen(shop, key, event)
        change = update(job).where(job.c.id == key).values(values)
        with pytest.raises(IntegrityError):
            shop.catalog.submit(partial(_execute, change)).result()


def _execute(change: Update, transaction: Connection) -> None:
    transaction.execute(change)
