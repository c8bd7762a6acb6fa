"""The states of a job, and the one table of what leads from each to which.

Every state in which a job has not ended is left by a worker or by time alone, whatever people do (law 3): a queued job
by being claimed or, where no server knows its kind, by being set aside to wait; all others at their `until_at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a job is."""

    #: It is done as soon as a worker has a hand free.
    QUEUED = "queued"
    #: A worker has it, until its lease ends.
    LEASED = "leased"
    #: It goes on when something else has happened; after its deadline it is dead.
    WAITING = "waiting"
    #: An attempt has failed; it is queued again at a set time.
    RETRY = "retry"
    #: Somebody has put it aside; it is queued again at a set time.
    SUSPENDED = "suspended"
    DONE = "done"
    #: It could not be done. It can be run again.
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({State.DONE, State.DEAD, State.CANCELLED})

#: States that a job leaves by itself at a set moment.
TIMED = frozenset({State.LEASED, State.WAITING, State.RETRY, State.SUSPENDED})


class Event(StrEnum):
    """What happens to a job."""

    CLAIMED = "claimed"
    FINISHED = "finished"
    #: The worker stops here, and there is more to do: the attempt does not count.
    LEFT_OFF = "left off"
    FAILED = "failed"
    #: The last attempt has failed, or an attempt for a reason that another one would not change.
    FAILED_FOR_GOOD = "failed for good"
    #: The worker has not been heard of: it was killed, it hangs, or its clock or ours jumped.
    LEASE_LOST = "lease lost"
    #: The same, in the last attempt.
    LEASE_LOST_FOR_GOOD = "lease lost for good"
    #: It has to wait for something.
    BEGAN_TO_WAIT = "began to wait"
    #: What it waited for has happened.
    WOKEN = "woken"
    DEADLINE_PASSED = "deadline passed"
    #: The time for the next attempt has come.
    DUE = "due"
    SUSPENSION_OVER = "suspension over"
    #: No server that runs knows its kind.
    KIND_UNKNOWN = "kind unknown"
    #: By people, or by an act that makes it pointless.
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    RUN_AGAIN = "run again"


#: The event that a job begins with; it has no state before.
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
    # Somebody has seen it, and it is not to be done any more.
    (State.DEAD, Event.CANCELLED): State.CANCELLED,
}

#: What leads where. What is not in it cannot happen.
TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(_TABLE)


class TransitionRefusedError(ValueError):
    """An event cannot happen to a job in its state; the message says which."""


def following(state: State, event: Event) -> State:
    """The state after an event. Raises `TransitionRefusedError`."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionRefusedError(f"A job that is {state} cannot be {event}.") from None


def states_before(event: Event) -> frozenset[State]:
    """The states in which an event can happen."""
    return frozenset(state for state, known in TRANSITIONS if known is event)
