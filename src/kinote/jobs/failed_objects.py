"""Objects that a job failed to process, with the reasons. The object is the unit of failure, not the batch (law 5)."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import job_failed_object
from kinote.catalog.schema.timestamps import timestamp
from kinote.jobs.leased import LeasedJob
from kinote.jobs.moments import moment_of
from kinote.jobs.moving import LONGEST_REASON
from kinote.telemetry.clock import Clock


def note_failed(
    transaction: Connection,
    job: LeasedJob,
    instance: int,
    reason: str,
    *,
    may_be_tried_again: bool,
    version: int,
    clock: Clock,
) -> None:
    """Record that a job failed to process an object.

    `instance` is the key of the object's row. `version` is that of the code that failed; a later version may succeed.
    """
    forget_failed(transaction, job.kind.name, instance)
    transaction.execute(
        job_failed_object.insert(),
        {
            "kind": job.kind.name,
            "instance": instance,
            "job": job.id,
            "may_be_tried_again": int(may_be_tried_again),
            "version": version,
            "reason": reason[:LONGEST_REASON],
            "failed_at": timestamp(moment_of(transaction, clock)),
        },
    )


def forget_failed(transaction: Connection, kind: str, instance: int) -> None:
    """Remove the record of a failure, because the object was processed or no longer needs to be."""
    transaction.execute(
        job_failed_object.delete().where(
            job_failed_object.c.kind == kind, job_failed_object.c.instance == instance
        )
    )


def failed_again(connection: Connection, job: LeasedJob, *, after: int, limit: int) -> list[int]:
    """Return up to `limit` failed objects of a job that may be tried again, with keys after `after`."""
    query = select(job_failed_object.c.instance).where(
        job_failed_object.c.job == job.id,
        job_failed_object.c.instance > after,
        job_failed_object.c.kind == job.kind.name,
        job_failed_object.c.may_be_tried_again == 1,
    )
    return list(connection.execute(query.order_by(job_failed_object.c.instance).limit(limit)).scalars())


def failed_by_version(connection: Connection, kind: str, instances: list[int], version: int) -> set[int]:
    """Return those of `instances` that failed permanently with this version."""
    query = select(job_failed_object.c.instance).where(
        job_failed_object.c.kind == kind,
        job_failed_object.c.instance.in_(instances),
        job_failed_object.c.version == version,
        job_failed_object.c.may_be_tried_again == 0,
    )
    return set(connection.execute(query).scalars())


def number_failed(connection: Connection, job: LeasedJob) -> tuple[int, int]:
    """Count the failed objects of a job: those that may be tried again, and those that failed permanently."""
    query = (
        select(job_failed_object.c.may_be_tried_again, func.count())
        .where(job_failed_object.c.job == job.id, job_failed_object.c.kind == job.kind.name)
        .group_by(job_failed_object.c.may_be_tried_again)
    )
    counted = {bool(again): int(number) for again, number in connection.execute(query)}
    return counted.get(True, 0), counted.get(False, 0)
