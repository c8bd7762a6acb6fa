"""What a kind of job is: its name, its limits and its share of the workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

#: Priorities: the smaller goes first, among jobs of one kind and destination.
URGENT, NORMAL, IDLE = 2, 5, 8


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job. Its name is stored, and never changes.

    `does` ends the sentence "This job …". An attempt that fails for a reason that may pass is followed by another one
    after `first_pause`, twice as long after each further one, up to `longest_pause`; `attempts` in all. A worker that
    gives no sign of life for `lease` loses the job, and so does one whose handler comes no further for `patience`.
    `at_once` jobs of the kind run at the same time in the whole installation, `to_each` of them to one destination.
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
    """How long to wait after so many failures in a row, for a number from 0 to 1 drawn by chance.

    From half to the whole of what doubles with each failure: jobs that failed together do not come back together.
    """
    # Beyond 2**30 it is the longest one in any case.
    doublings: int = min(max(failures, 1) - 1, 30)
    whole = min(first * (1 << doublings), longest)
    return whole * (0.5 + chance / 2)
