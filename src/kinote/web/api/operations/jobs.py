"""Jobs and their queues: what waits, why, and what people can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.jobs.acts import MOST_AT_ONCE, JobAct, do, other_under_way, preview
from kinote.jobs.lists import JobFilter, numbers_as_json, one, page
from kinote.jobs.queues import Queue, QueueState, queues, set_queue
from kinote.jobs.states import State
from kinote.notes.registrar.registering_jobs import register_found
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key, KeyInBody
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, position_of
from kinote.web.api.protocol.pages import page as collection
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import ConflictError, UnknownResourceError
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["jobs"], route_class=PermittedAPIRoute)

Why = Annotated[str, Field(min_length=1, max_length=1000, description="Why, for whoever looks later.")]


class Reason(BaseModel):
    """The reason for an act on a job."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why = "asked for"


class WantedJobs(BaseModel):
    """The jobs that a filter selects. Omitted conditions match all."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    kind: str = ""
    destination: str | None = None

    def filter(self) -> JobFilter:
        return JobFilter(self.state or "", self.kind, self.destination)


class AskedJobAct(BaseModel):
    """An act on jobs: `ids`, or all that a `filter` selects."""

    model_config = ConfigDict(extra="forbid")

    act: JobAct
    ids: Annotated[list[KeyInBody] | None, Field(max_length=MOST_AT_ONCE)] = None
    filter: WantedJobs | None = None
    expected: Annotated[
        int | None,
        Field(
            ge=0,
            description="How many jobs you expect it to be done to; left out, they are counted and no more.",
        ),
    ] = None
    reason: Why = "asked for"

    @model_validator(mode="after")
    def _says_which(self) -> AskedJobAct:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or filter")
        return self

    def wanted(self) -> JobFilter | Sequence[int]:
        return self.filter.filter() if self.filter is not None else self.ids or ()


class WantedQueue(BaseModel):
    """The new state of a queue, with the reason."""

    model_config = ConfigDict(extra="forbid")

    state: QueueState
    reason: Why


class WantedFindings(BaseModel):
    """Which key objects to read again: by the least severity and by the code of their findings."""

    model_config = ConfigDict(extra="forbid", strict=True)

    severity: Annotated[str, Field(pattern="^(info|warning|error)$")] = "warning"
    code: Annotated[str, Field(max_length=100)] = ""


def _known(rooms: Rooms) -> frozenset[str]:
    return frozenset(kind.name for kind in rooms.job_kinds)


@router.get("/jobs", summary="Jobs, the latest first")
async def list_jobs(
    request: Request,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[str, Query(description="Only jobs of this kind.")] = "",
    destination: Annotated[
        str | None, Query(description="Only jobs about this system; empty: only those about none.")
    ] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List jobs, each with a sentence about its state; and `numbers` of each kind and state, with the age of the
    oldest.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, int)
    wanted = JobFilter(state or "", kind, destination)

    def read() -> object:
        known = _known(rooms)
        with rooms.catalog.read() as connection:
            found = page(connection, wanted, known, before=before[0] if before else None, limit=limit + 1)
            following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
            return {
                **collection(found[:limit], following),
                "numbers": numbers_as_json(connection, known),
            }

    return answer(await rooms.read(read))


@router.get("/jobs/{job_id}", summary="A job with its history")
async def get_job(request: Request, job_id: Key) -> Response:
    """Return a job: its task, its history, and the objects on which it failed."""
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            return one(connection, job_id, _known(rooms))

    return answer(await rooms.read(read))


@router.post("/jobs/acts", summary="Do something to several jobs")
async def act_on_jobs(request: Request, body: AskedJobAct, act: AskedAct) -> Response:
    """Run jobs again, cancel, suspend or resume them: those whose state allows it, all in one transaction.

    Without `expected` they are only counted. With it, the act is performed if their number is the same.
    """
    rooms = rooms_of(request)
    if body.expected is None:

        def counted() -> object:
            with rooms.catalog.read() as connection:
                return asdict(preview(connection, body.act, body.wanted()))

        return answer(await rooms.read(counted))

    def work(transaction: Connection) -> Response:
        done = do(
            transaction,
            body.act,
            body.wanted(),
            expected=body.expected,
            actor=str(act.actor),
            reason=body.reason,
            clock=rooms.clock,
        )
        return answer(asdict(done))

    return (await act.do(work, act.now())).response


@router.post("/jobs/{job_id}/retry", summary="Run a job again")
async def retry_job(request: Request, job_id: Key, act: AskedAct, body: Reason | None = None) -> Response:
    """Queue a dead job, or one whose next attempt is due later, with all its attempts."""
    return await _act_on_one(request, job_id, JobAct.RETRY, body, act)


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job")
async def cancel_job(request: Request, job_id: Key, act: AskedAct, body: Reason | None = None) -> Response:
    """Cancel a job that is not done. A worker that is at it can write nothing more."""
    return await _act_on_one(request, job_id, JobAct.CANCEL, body, act)


async def _act_on_one(
    request: Request, key: int, wanted: JobAct, body: Reason | None, act: AskedAct
) -> Response:
    rooms = rooms_of(request)
    given = body or Reason()

    def work(transaction: Connection) -> Response:
        before = one(transaction, key, _known(rooms))
        done = do(
            transaction,
            wanted,
            [key],
            expected=None,
            actor=str(act.actor),
            reason=given.reason,
            clock=rooms.clock,
        )
        if not done.count:
            other = other_under_way(transaction, key) if wanted is JobAct.RETRY else None
            if other is not None:
                raise ConflictError(
                    f"The job {key} is {before['state']}, and the job {other}, which does the same, is under way."
                )
            raise ConflictError(f"The job {key} is {before['state']}: {wanted} does not go with that.")
        return answer(one(transaction, key, _known(rooms)))

    return (await act.do(work, act.now())).response


@router.get("/queues", summary="The queues")
async def list_queues(request: Request) -> Response:
    """List the kinds of job, each with its purpose and the state of its queue: `running`, unless somebody has set
    it.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            set_by_people = queues(connection)
        does = {kind.name: kind.does for kind in rooms.job_kinds}
        return collection(
            [
                _queue(set_by_people.get(kind, Queue(kind)), does.get(kind, ""))
                for kind in sorted({*does, *set_by_people})
            ]
        )

    return answer(await rooms.read(read))


@router.put("/queues/{kind}", summary="Set the state of a queue")
async def put_queue(request: Request, kind: str, body: WantedQueue, act: AskedAct) -> Response:
    """Set the state of a queue. `running`; `accepting`: jobs are accepted, but none starts; `draining`: existing jobs
    are done, but none is accepted; `halted`: neither.
    """
    rooms = rooms_of(request)
    does = {known.name: known.does for known in rooms.job_kinds}
    if kind not in does:
        raise UnknownResourceError(f"This server knows no kind of job {kind}.")

    def work(transaction: Connection) -> Response:
        queue = set_queue(
            transaction, kind, body.state, actor=str(act.actor), reason=body.reason, clock=rooms.clock
        )
        return answer(_queue(queue, does[kind]))

    return (await act.do(work, act.now())).response


@router.post("/findings/register", summary="Read key objects with findings again")
async def register_findings(request: Request, act: AskedAct, body: WantedFindings | None = None) -> Response:
    """Create a job that reads key objects again, with findings of at least this severity, and of this code if one is
    given. If such a job is under way, it is returned.
    """
    rooms = rooms_of(request)
    wanted = body or WantedFindings()

    def work(transaction: Connection) -> Response:
        made = register_found(
            transaction, wanted.severity, wanted.code, actor=str(act.actor), clock=rooms.clock
        )
        return answer(
            {"job": made.id, "is_new": made.is_new},
            status=202,
            headers={"Location": f"/api/v1/jobs/{made.id}"},
        )

    return (await act.do(work, act.now())).response


def _queue(queue: Queue, does: str) -> dict[str, Any]:
    return {**asdict(queue), "does": does}
