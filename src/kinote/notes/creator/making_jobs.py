"""The job that makes the bytes of derivable key objects in the background, ahead of their first use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.jobs.enqueueing import Enqueued, enqueue
from kinote.jobs.failed_objects import failed_by_version, forget_failed, note_failed
from kinote.jobs.kinds import IDLE, JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, Outcome
from kinote.keyobject.writer import WRITER_VERSION
from kinote.notes.creator.making import (
    CannotBeMadeError,
    derived,
    keep,
    tell_not_made,
    to_be_made,
)
from kinote.telemetry.clock import Clock

MAKE_KEY_OBJECTS = JobKind(
    "make-key-objects",
    "makes the bytes of key objects whose notes came from elsewhere, ahead of their first use",
    priority=IDLE,
    at_once=1,
)

#: Key objects that are looked up at once, and those that share a transaction.
_PAGE, _TOGETHER = 512, 16

#: A document, by its key; or why there is none.
_Made = tuple[int, bytes | CannotBeMadeError]


class MakeKeyObjects:
    """Does the job, page by page. What cannot be made is noted, and keeps nothing else from being made."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def __call__(self, job: LeasedJob) -> Outcome:
        while True:
            after: int = job.progress.get("after", 0)
            with self._catalog.read() as connection:
                page = to_be_made(connection, after=after, limit=_PAGE)
            if not page:
                made, failed = job.progress.get("made", 0), job.progress.get("failed", 0)
                return Done(f"{made} key objects were made, {failed} could not be.")
            for start in range(0, len(page), _TOGETHER):
                if job.is_ending():
                    return LeftOff()
                self._make(job, page[start : start + _TOGETHER])

    def _make(self, job: LeasedJob, some: Sequence[tuple[int, str]]) -> None:
        with self._catalog.read() as connection:
            # Not in the transaction that keeps them: a large document takes a while.
            made = [(key, _derived(connection, uid)) for key, uid in some]
        failed = sum(isinstance(each, CannotBeMadeError) for _, each in made)
        progress: dict[str, Any] = {
            "after": some[-1][0],
            "made": job.progress.get("made", 0) + len(made) - failed,
            "failed": job.progress.get("failed", 0) + failed,
        }
        try:
            job.write(partial(self._keep, job, made), progress)
        except CannotBeMadeError:
            # One of them is another than its row promises: each by itself, so that the others are kept.
            if len(some) > 1:
                for each in some:
                    self._make(job, [each])
                return
            ((key, _),) = some
            refused = CannotBeMadeError(
                "The bytes that its note gives now are not those that its row promises."
            )
            progress |= {"made": progress["made"] - 1, "failed": progress["failed"] + 1}
            job.write(partial(self._keep, job, [(key, refused)]), progress)

    def _keep(self, job: LeasedJob, made: Sequence[_Made], transaction: Connection) -> None:
        for key, each in made:
            if isinstance(each, CannotBeMadeError):
                note_failed(
                    transaction,
                    job,
                    key,
                    str(each),
                    may_be_tried_again=False,
                    version=WRITER_VERSION,
                    clock=self._clock,
                )
                tell_not_made(transaction, key, str(each))
            else:
                keep(transaction, key, each)
                forget_failed(transaction, job.kind.name, key)


def _derived(connection: Connection, uid: str) -> bytes | CannotBeMadeError:
    try:
        return derived(connection, uid)
    except CannotBeMadeError as error:
        return error


def make_in_background(catalog: Catalog, clock: Clock) -> Enqueued | None:
    """Have all be made that can be; None where there is nothing that this version has not tried yet."""
    after = 0
    while True:
        with catalog.read() as connection:
            page = to_be_made(connection, after=after, limit=_PAGE)
            keys = [key for key, _ in page]
            tried = failed_by_version(connection, MAKE_KEY_OBJECTS.name, keys, WRITER_VERSION)
        if not page:
            return None
        if set(keys) - tried:
            return catalog.write(
                lambda transaction: enqueue(
                    transaction,
                    MAKE_KEY_OBJECTS,
                    {},
                    clock=clock,
                    actor="kinote",
                    natural_key="all",
                )
            )
        after = keys[-1]
