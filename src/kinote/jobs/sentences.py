"""Sentences that explain the states of jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kinote.jobs.queues import Queue, QueueState
from kinote.jobs.states import State

_OF_QUEUE = {
    QueueState.ACCEPTING: "Its queue accepts jobs but begins none",
    QueueState.HALTED: "Its queue is halted",
    QueueState.DRAINING: "Its queue is draining, and this job came later",
}


def sentence(one: Mapping[str, Any], queue: Queue | None, known: Collection[str]) -> str:
    """Explain why a job is in its state and what will happen next.

    `one` contains the columns of its row, `queue` the queue of its kind if its state was set, and `known` the kinds of
    job that this server knows.
    """
    until, reason = one["until_at"], one["reason"].rstrip(".")
    attempt = f"attempt {one['attempt']} of {one['attempts_allowed']}"
    match State(one["state"]):
        case State.QUEUED:
            return _why_queued(one, queue, known)
        case State.LEASED:
            return (
                f"{one['worker']} is running it, {attempt}. Its lease ends at {until} unless it is extended."
            )
        case State.WAITING:
            return f"{reason}. It waits until {until} at the latest, and is then dead."
        case State.RETRY:
            return f"{_capital(attempt)} failed: {reason}. The next one is due at {until}."
        case State.SUSPENDED:
            return f"{one['actor']} suspended it: {reason}. It is queued again at {until}."
        case State.DONE:
            return f"It is done. {reason}." if reason else "It is done."
        case State.DEAD:
            attempts = "1 attempt" if one["attempt"] == 1 else f"{one['attempt']} attempts"
            return f"It failed after {attempts}: {reason}. It can be run again."
        case State.CANCELLED:
            return f"{one['actor']} cancelled it: {reason}."


def of_state(state: State, queue: Queue | None, is_known: bool) -> str:
    """Explain the state of all jobs of a kind in a state. `is_known` tells whether this server knows the kind."""
    match state:
        case State.QUEUED if not is_known:
            return "This server does not know this kind of job: they wait for one that does."
        case State.QUEUED if queue is not None and queue.state in _OF_QUEUE:
            return f"{_OF_QUEUE[queue.state].replace(', and this job came later', '')}{_by(queue)}"
        case State.QUEUED:
            return "They run as soon as a worker is free."
        case State.LEASED:
            return "Workers are running them."
        case State.WAITING:
            return "They wait for something to happen, each until its deadline."
        case State.RETRY:
            return "An attempt failed; the next one is due at a set time."
        case State.SUSPENDED:
            return "They are suspended until a set time."
        case State.DONE:
            return "They are done."
        case State.DEAD:
            return "They failed. See why, and run them again or cancel them."
        case State.CANCELLED:
            return "They were cancelled."


def _why_queued(one: Mapping[str, Any], queue: Queue | None, known: Collection[str]) -> str:
    if one["kind"] not in known:
        return "This server does not know this kind of job: it waits for one that does."
    if queue is not None:
        is_later = queue.drains_to is not None and one["id"] > queue.drains_to
        if (queue.state is not QueueState.DRAINING and queue.state in _OF_QUEUE) or is_later:
            return f"{_OF_QUEUE[queue.state]}{_by(queue)}"
    return "It runs as soon as a worker is free and the jobs before it have run."


def _by(queue: Queue) -> str:
    return f", by {queue.actor} since {queue.changed_at}: {queue.reason.rstrip('.')}."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
