"""Kinds of jobs, with their limits and their share of the workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

#: Priorities. Within one kind and destination, smaller values go first.
URGENT, NORMAL, IDLE = 2, 5, 8


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job.

    `name`           stored, and never changes
    `does`           completes the sentence "This job …"
    `attempts`       maximum attempts without progress
    `first_pause`    pause after the first failed attempt; it doubles with each further one
    `longest_pause`  the longest pause
    `lease`          a worker that does not extend its lease for so long loses the job
    `patience`       a worker whose handler makes no progress for so long loses the job
    `at_once`        maximum jobs of this kind that run at the same time in the whole installation
    `to_each`        maximum of them for one destination
    `priority`       default priority
    """

    name: str
    does: str
    attempts: int = 8
    first_pause: timedelta = timedelta(seconds=5)
    longest_pause: timedelta = timedelta(hours=1)
    lease: timedelta = timedelta(seconds=60)
    patience: timedelta = timedelta(minutes=10)
    at_once: int = 2
    to_each: int = 1
    priority: int = NORMAL


def pause_after(failures: int, first: timedelta, longest: timedelta, chance: float) -> timedelta:
    """Return the pause after this many failures in a row.

    The pause doubles with each failure. `chance` is a random number from 0 to 1, which shortens it by up to half, so
    that jobs that failed together are not retried together.
    """
    # From 2**30 on, `longest` applies in any case.
    doublings: int = min(max(failures, 1) - 1, 30)
    whole = min(first * (1 << doublings), longest)
    return whole * (0.5 + chance / 2)
