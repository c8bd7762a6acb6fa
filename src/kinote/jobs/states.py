"""The states of a job, and the table of transitions between them.

A job leaves every state but the final ones through a worker or through time alone, whatever people do (law 3). A queued
job is claimed, or starts waiting if no server knows its kind. All other states end at their `until_at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """The state of a job."""

    #: It runs as soon as a worker is free.
    QUEUED = "queued"
    #: A worker has it until its lease ends.
    LEASED = "leased"
    #: It waits for something to happen. After its deadline it is dead.
    WAITING = "waiting"
    #: An attempt failed. It is queued again at a set time.
    RETRY = "retry"
    #: Somebody suspended it. It is queued again at a set time.
    SUSPENDED = "suspended"
    DONE = "done"
    #: It failed. It can be run again.
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({State.DONE, State.DEAD, State.CANCELLED})

#: States that end by themselves at a set time.
TIMED = frozenset({State.LEASED, State.WAITING, State.RETRY, State.SUSPENDED})


class Event(StrEnum):
    """An event of a job. The values are stored in its history."""

    CLAIMED = "claimed"
    FINISHED = "finished"
    #: The worker has stopped although there is more to do. The attempt does not count.
    LEFT_OFF = "left off"
    FAILED = "failed"
    #: The last attempt failed, or another attempt would not help.
    FAILED_FOR_GOOD = "failed for good"
    #: The worker stopped responding: it was killed, it hangs, or a clock jumped.
    LEASE_LOST = "lease lost"
    #: The same in the last attempt.
    LEASE_LOST_FOR_GOOD = "lease lost for good"
    #: It has to wait for something.
    BEGAN_TO_WAIT = "began to wait"
    #: What it waited for has happened.
    WOKEN = "woken"
    DEADLINE_PASSED = "deadline passed"
    #: The next attempt is due.
    DUE = "due"
    SUSPENSION_OVER = "suspension over"
    #: No running server knows its kind.
    KIND_UNKNOWN = "kind unknown"
    # By people, or by an act that makes the job pointless.
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    RUN_AGAIN = "run again"


#: The first event of every job. It has no state before.
MADE = "made"

_TABLE: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.CLAIMED): State.LEASED,
    (State.QUEUED, Event.KIND_UNKNOWN): State.WAITING,
    (State.QUEUED, Event.SUSPENDED): State.SUSPENDED,
    (State.QUEUED, Event.CANCELLED): State.CANCELLED,
    (State.LEASED, Event.FINISHED): State.DONE,
    (State.LEASED, Event.LEFT_OFF): State.QUEUED,
    (State.LEASED, Event.FAILED): State.RETRY,
    (State.LEASED, Event.FAILED_FOR_GOOD): State.DEAD,
    (State.LEASED, Event.LEASE_LOST): State.RETRY,
    (State.LEASED, Event.LEASE_LOST_FOR_GOOD): State.DEAD,
    (State.LEASED, Event.BEGAN_TO_WAIT): State.WAITING,
    (State.LEASED, Event.SUSPENDED): State.SUSPENDED,
    (State.LEASED, Event.CANCELLED): State.CANCELLED,
    (State.WAITING, Event.WOKEN): State.QUEUED,
    (State.WAITING, Event.DEADLINE_PASSED): State.DEAD,
    (State.WAITING, Event.SUSPENDED): State.SUSPENDED,
    (State.WAITING, Event.CANCELLED): State.CANCELLED,
    (State.RETRY, Event.DUE): State.QUEUED,
    (State.RETRY, Event.SUSPENDED): State.SUSPENDED,
    (State.RETRY, Event.CANCELLED): State.CANCELLED,
    (State.RETRY, Event.RUN_AGAIN): State.QUEUED,
    (State.SUSPENDED, Event.SUSPENSION_OVER): State.QUEUED,
    (State.SUSPENDED, Event.RESUMED): State.QUEUED,
    (State.SUSPENDED, Event.CANCELLED): State.CANCELLED,
    (State.DEAD, Event.RUN_AGAIN): State.QUEUED,
    # Somebody has decided that the failed job is no longer needed.
    (State.DEAD, Event.CANCELLED): State.CANCELLED,
}

#: The new state by old state and event. Events that are not listed cannot happen.
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(_TABLE)


class TransitionRefusedError(ValueError):
    """The state of a job does not allow an event. The message names both."""


def following(state: State, event: Event) -> State:
    """Return the state after an event. Raises `TransitionRefusedError` if the event is not allowed."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionRefusedError(f"A job that is {state} cannot be {event}.") from None


def states_before(event: Event) -> frozenset[State]:
    """Return the states in which an event can happen."""
    return frozenset(state for state, known in TRANSITIONS if known is event)
