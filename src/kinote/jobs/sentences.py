"""Why a job stands where it is, in one sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kinote.jobs.queues import Queue, QueueState
from kinote.jobs.states import State

_OF_QUEUE = {
    QueueState.ACCEPTING: "Its queue takes jobs and begins none",
    QueueState.HALTED: "Its queue is halted",
    QueueState.DRAINING: "Its queue is draining, and this job came later",
}


def sentence(one: Mapping[str, Any], queue: Queue | None, known: Collection[str]) -> str:
    """Say of a job, by its columns, why it is in its state and what will happen next."""
    until, reason = one["until_at"], one["reason"].rstrip(".")
    attempt = f"attempt {one['attempt']} of {one['attempts_allowed']}"
    match State(one["state"]):
        case State.QUEUED:
            return _why_queued(one, queue, known)
        case State.LEASED:
            return f"{one['worker']} is at it, in {attempt}; its lease ends at {until} unless it is extended."
        case State.WAITING:
            return f"{reason}. It waits until {until} at the latest, and is dead then."
        case State.RETRY:
            return f"{_capital(attempt)} has failed: {reason}. The next one is due at {until}."
        case State.SUSPENDED:
            return f"{one['actor']} has put it aside: {reason}. It is queued again at {until}."
        case State.DONE:
            return f"It is done. {reason}." if reason else "It is done."
        case State.DEAD:
            return f"It could not be done, after {one['attempt']} attempts: {reason}. It can be run again."
        case State.CANCELLED:
            return f"{one['actor']} has cancelled it: {reason}."


def of_state(state: State, queue: Queue | None, is_known: bool) -> str:
    """The same for all jobs of a kind in a state."""
    match state:
        case State.QUEUED if not is_known:
            return "This server knows no jobs of this kind: they wait for one that does."
        case State.QUEUED if queue is not None and queue.state in _OF_QUEUE:
            return f"{_OF_QUEUE[queue.state].replace(', and this job came later', '')}{_by(queue)}"
        case State.QUEUED:
            return "They are done as soon as a worker has a hand free."
        case State.LEASED:
            return "Workers are at them."
        case State.WAITING:
            return "They wait for something to happen, each until its deadline."
        case State.RETRY:
            return "An attempt has failed; the next one is due at a set time."
        case State.SUSPENDED:
            return "Somebody has put them aside until a set time."
        case State.DONE:
            return "They are done."
        case State.DEAD:
            return "They could not be done. See why, and run them again or cancel them."
        case State.CANCELLED:
            return "They were cancelled."


def _why_queued(one: Mapping[str, Any], queue: Queue | None, known: Collection[str]) -> str:
    if one["kind"] not in known:
        return "This server knows no jobs of this kind: it waits for one that does."
    if queue is not None:
        is_later = queue.drains_to is not None and one["id"] > queue.drains_to
        if (queue.state is not QueueState.DRAINING and queue.state in _OF_QUEUE) or is_later:
            return f"{_OF_QUEUE[queue.state]}{_by(queue)}"
    return "It is done as soon as a worker has a hand free and those before it in its line have gone."


def _by(queue: Queue) -> str:
    return f", by {queue.actor} since {queue.changed_at}: {queue.reason.rstrip('.')}."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
