"""The job that registers key objects again: those that an older reader read, or what a person asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.schema.live import live_instance
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.holdings.door import Door
from kinote.holdings.unavailable import BytesUnavailableError, NotLiveError, StoreUnreachableError
from kinote.jobs.enqueueing import Enqueued, enqueue, is_dead
from kinote.jobs.failed_objects import (
    failed_again,
    failed_by_version,
    forget_failed,
    note_failed,
    number_failed,
)
from kinote.jobs.kinds import IDLE, JobKind
from kinote.jobs.leased import Done, LeasedJob, LeftOff, LostLeaseError, Outcome
from kinote.jobs.queues import require_accepting
from kinote.keyobject import reader
from kinote.notes.registrar.again import RegisteredAgain
from kinote.notes.registrar.reading_again import (
    NeverHadError,
    NotToBeReadError,
    read_by_older_readers,
    reading_again,
    with_findings_from,
)
from kinote.security.actors import KINOTE
from kinote.telemetry.clock import Clock

REGISTER_AGAIN = JobKind(
    "register-again",
    "reads key objects again that an older reader read, or that were not fully understood",
    priority=IDLE,
    at_once=1,
)

_PAGE = 100

#: After this many attempts that ended at one place, the object there is left for later: it may crash the workers.
_SUSPECTED_AFTER = 3

#: What is the matter with the index or with this job, and not with the object at hand.
_NOT_OF_THE_OBJECT = (
    LostLeaseError,
    CatalogClosedError,
    CommitInDoubtError,
    NoConnectionError,
    SQLAlchemyError,
)


_ENDED_THERE = f"{_SUSPECTED_AFTER} attempts have ended while it was read."


class ObjectsLeftError(RuntimeError):
    """Some objects could not be read now; another attempt may read them."""


class RegisterAgain:
    """Does the job, object by object. One that cannot be read is noted, and keeps no other from being read."""

    def __init__(self, catalog: Catalog, door: Door, clock: Clock) -> None:
        self._catalog = catalog
        self._door = door
        self._clock = clock

    def __call__(self, job: LeasedJob) -> Outcome:
        """Go through all that are meant, then again through those that could not be read.

        Raises `ObjectsLeftError` where some are left that may be read later.
        """
        if not job.progress.get("is_through"):
            is_suspected = job.claimed.failed_before >= _SUSPECTED_AFTER
            while page := self._page(job):
                for key, uid in page:
                    if job.is_ending():
                        return LeftOff()
                    if is_suspected:
                        is_suspected = False
                        self._note(
                            job, key, _ENDED_THERE, {**job.progress, "after": key}, may_be_tried_again=False
                        )
                    else:
                        self._one(job, key, uid)
            job.write(lambda transaction: None, {**job.progress, "is_through": True})
        elif not self._try_again(job):
            return LeftOff()
        with self._catalog.read() as connection:
            again, for_good = number_failed(connection, job)
        if again:
            raise ObjectsLeftError(
                f"{again} key objects could not be read now; each has its reason with the job"
            )
        read, changed = job.progress.get("read", 0), job.progress.get("changed", 0)
        return Done(
            f"{read} key objects were read again, {changed} are understood otherwise now, {for_good} could not be read."
        )

    def _page(self, job: LeasedJob) -> list[tuple[int, str]]:
        after: int = job.progress.get("after", 0)
        with self._catalog.read() as connection:
            while page := _meant(connection, job.payload, after):
                if "severity" in job.payload:
                    return page
                tried = failed_by_version(
                    connection, REGISTER_AGAIN.name, [key for key, _ in page], reader.VERSION
                )
                if left := [(key, uid) for key, uid in page if key not in tried]:
                    return left
                after = page[-1][0]
        return []

    def _try_again(self, job: LeasedJob) -> bool:
        """Try those once more that could not be read; False where the server is being stopped.

        What is tried is noted before, so that the next attempt knows where this one ended.
        """
        after = 0
        ended_at: int = job.progress.get("trying", 0)
        times = job.progress.get("ended_there", 0) + 1 if ended_at else 0
        if times >= _SUSPECTED_AFTER:
            self._note(job, ended_at, _ENDED_THERE, _without_trying(job), may_be_tried_again=False)
        while True:
            with self._catalog.read() as connection:
                keys = failed_again(connection, job, after=after, limit=_PAGE)
                query = select(live_instance.c.id, live_instance.c.sop_instance_uid)
                rows = connection.execute(query.where(live_instance.c.id.in_(keys)))
                found = {row.id: row.sop_instance_uid for row in rows}
            if not keys:
                job.write(lambda transaction: None, _without_trying(job), is_further=False)
                return True
            for key in keys:
                if job.is_ending():
                    job.write(lambda transaction: None, _without_trying(job), is_further=False)
                    return False
                if key in found:
                    trying = {"trying": key, "ended_there": times if key == ended_at else 0}
                    job.write(lambda transaction: None, {**job.progress, **trying}, is_further=False)
                    self._one(job, key, found[key], moves_on=False)
                else:
                    job.write(lambda transaction, key=key: forget_failed(transaction, job.kind.name, key))  # type: ignore[misc]
            after = keys[-1]

    def _one(self, job: LeasedJob, key: int, uid: str, *, moves_on: bool = True) -> None:
        """Read one again; whatever is wrong with it is its own. `moves_on` past it, where it is its first time."""
        passed = {"after": key} if moves_on else {}

        def registered(transaction: Connection) -> RegisteredAgain:
            forget_failed(transaction, job.kind.name, key)
            return registering(transaction)

        def further(became: RegisteredAgain) -> dict[str, Any]:
            read, changed = job.progress.get("read", 0) + 1, job.progress.get("changed", 0) + became.changed
            return {**job.progress, **passed, "read": read, "changed": changed}

        try:
            registering = reading_again(self._catalog, self._door, uid, by=KINOTE, now=self._clock())
            job.write(registered, further)
        except (NeverHadError, NotToBeReadError, NotLiveError):
            # It has been withdrawn meanwhile.
            job.write(
                lambda transaction: forget_failed(transaction, job.kind.name, key), {**job.progress, **passed}
            )
        except _NOT_OF_THE_OBJECT:
            raise
        except Exception as error:
            reason = (
                str(error) if isinstance(error, BytesUnavailableError) else f"{type(error).__name__}: {error}"
            )
            progress = {**job.progress, **passed} if moves_on else None
            self._note(
                job, key, reason, progress, may_be_tried_again=isinstance(error, StoreUnreachableError)
            )

    def _note(
        self,
        job: LeasedJob,
        key: int,
        reason: str,
        progress: Mapping[str, Any] | None,
        *,
        may_be_tried_again: bool,
    ) -> None:
        def noted(transaction: Connection) -> None:
            note_failed(
                transaction,
                job,
                key,
                reason,
                may_be_tried_again=may_be_tried_again,
                version=reader.VERSION,
                clock=self._clock,
            )

        job.write(noted, progress)


def _meant(connection: Connection, payload: Mapping[str, Any], after: int) -> list[tuple[int, str]]:
    if "severity" in payload:
        code = payload.get("code", "")
        return with_findings_from(connection, payload["severity"], code=code, after=after, limit=_PAGE)
    return read_by_older_readers(connection, after=after, limit=_PAGE)


def _without_trying(job: LeasedJob) -> dict[str, Any]:
    return {name: value for name, value in job.progress.items() if name not in ("trying", "ended_there")}


def register_outdated(catalog: Catalog, clock: Clock) -> Enqueued | None:
    """Have what an older reader read be read again; None where there is nothing that this one has not tried yet.

    Nor where the job that did so is dead: its reason has to be seen to, and then it is run again or cancelled.
    """
    natural_key = f"reader {reader.VERSION}"
    with catalog.read() as connection:
        if is_dead(connection, REGISTER_AGAIN, natural_key):
            return None
    after = 0
    while True:
        with catalog.read() as connection:
            keys = [key for key, _ in read_by_older_readers(connection, after=after, limit=_PAGE)]
            tried = failed_by_version(connection, REGISTER_AGAIN.name, keys, reader.VERSION)
        if not keys:
            return None
        if set(keys) - tried:
            return catalog.write(
                lambda transaction: enqueue(
                    transaction,
                    REGISTER_AGAIN,
                    {"reader": reader.VERSION},
                    clock=clock,
                    actor="kinote",
                    natural_key=natural_key,
                )
            )
        after = keys[-1]


def register_found(
    transaction: Connection, severity: str, code: str, *, actor: str, clock: Clock
) -> Enqueued:
    """Have the key objects be read again that have such findings. Raises `QueueClosedError`."""
    require_accepting(transaction, REGISTER_AGAIN.name)
    return enqueue(
        transaction,
        REGISTER_AGAIN,
        {"severity": severity, "code": code},
        clock=clock,
        actor=actor,
        natural_key=f"findings {severity} {code}",
    )
