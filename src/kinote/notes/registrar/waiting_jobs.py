"""The job that makes the key objects for which too many notes waited, so that no arrival waits for all of them."""

from __future__ import annotations

from sqlalchemy import Connection

from kinote.jobs.leased import Done, LeasedJob, LeftOff, Outcome
from kinote.notes.belonging import refresh
from kinote.notes.creator.making_awaited import make_ready
from kinote.telemetry.clock import Clock

#: Note versions that share a transaction.
_TOGETHER = 50


class MakeWaiting:
    """Does the job, some versions at a time. What cannot be made is marked with the reason."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, job: LeasedJob) -> Outcome:
        versions: list[int] = job.payload["versions"]
        while (done := job.progress.get("versions", 0)) < len(versions):
            if job.is_ending():
                return LeftOff()
            some = versions[done : done + _TOGETHER]
            made = job.progress.get("made", 0)
            job.write(
                lambda transaction, some=some: self._make(transaction, some),  # type: ignore[misc]
                lambda number, done=done, made=made: {  # type: ignore[misc]
                    "versions": done + _TOGETHER,
                    "made": made + number,
                },
            )
        return Done(f"{job.progress.get('made', 0)} key objects were made.")

    def _make(self, transaction: Connection, versions: list[int]) -> int:
        made = make_ready(transaction, versions, now=self._clock())
        if made:
            # With a key object, a note is about the patient of its study.
            refresh(transaction, set(versions))
        return made
