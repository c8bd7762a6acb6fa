"""Archives: which peers hold objects for Kinote, what they have committed to, and whether they are relied upon."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.archives.fetching import NotFetchedError
from kinote.delivery.archives.following import enqueue_asking
from kinote.holdings.live_objects import Selection
from kinote.holdings.removing.evicting import evict
from kinote.lifecycle.archives import promises
from kinote.lifecycle.archives.asking import page_of_requests
from kinote.lifecycle.archives.evidence import Archive, archives_in_use
from kinote.peers.archive_policy import (
    LONGEST_RECALL,
    LONGEST_RENEWAL,
    LONGEST_TIMEOUT,
    ArchivePolicy,
    CommitmentBy,
    RecallBy,
)
from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.protocol.versions import IfMatch, expected_version
from kinote.web.problems import BadRequestError, ConflictError, UnknownResourceError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["archives"], route_class=PermittedAPIRoute)


class ArchiveBody(BaseModel):
    """How an archive is used."""

    model_config = ConfigDict(extra="forbid", strict=True)

    commitment: Annotated[
        CommitmentBy,
        Field(
            strict=False,
            description="`dimse`: Storage Commitment Push Model; `dicomweb`: PS3.18 section 13; `none`: the archive "
            "cannot commit, and nothing is ever evicted on its word.",
        ),
    ] = CommitmentBy.DIMSE
    renew_days: Annotated[
        int,
        Field(
            ge=1, le=LONGEST_RENEWAL, description="Evidence that is older does not count until it is renewed."
        ),
    ] = 180
    timeout_minutes: Annotated[
        int, Field(ge=1, le=LONGEST_TIMEOUT, description="How long the result of a request is waited for.")
    ] = 60
    recall: Annotated[RecallBy, Field(strict=False, description="How objects come back: `c-get`.")] = (
        RecallBy.C_GET
    )
    recall_seconds: Annotated[
        int, Field(ge=1, le=LONGEST_RECALL, description="How long a reader waits for an object to come back.")
    ] = 60

    def policy(self) -> ArchivePolicy:
        return ArchivePolicy(
            self.commitment, self.renew_days, self.timeout_minutes, self.recall, self.recall_seconds
        )


@router.get("/archives", summary="The archives, by name")
async def list_archives(request: Request) -> Response:
    """List archives, each with its policy, its evidence, whether it is suspended, and the result of its first
    recall.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return page([_json(connection, each, rooms) for each in archives_in_use(connection)], None)

    return answer(await rooms.read(read))


@router.get("/archives/{peer_id}", summary="An archive")
async def get_archive(request: Request, peer_id: Key) -> Response:
    """Return an archive, by the number of its peer. Its version is the ETag."""
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            return _json(connection, promises.archive_of(connection, peer_id), rooms)

    return _one(await rooms.read(read))


@router.put("/archives/{peer_id}", summary="Make a peer an archive, or change how it is used")
async def set_archive(
    request: Request, peer_id: Key, body: ArchiveBody, act: AskedAct, if_match: IfMatch = None
) -> Response:
    """Make a peer an archive, or change how it is used. Storage commitment is requested for what is sent to it and
    acknowledged. If-Match names the version that was seen; 412 if it has another.
    """
    rooms = rooms_of(request)
    expected = expected_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        found = promises.set_archive(
            transaction, peer_id, body.policy(), now, expected_version=expected, by=act.actor
        )
        return _one(_json(transaction, found, rooms))

    return (await act.do(work, now)).response


@router.delete("/archives/{peer_id}", summary="Let a peer be no archive any more")
async def end_archive(request: Request, peer_id: Key, act: AskedAct) -> Response:
    """Stop using a peer as an archive. Its evidence stays in the index, but no longer counts."""
    rooms = rooms_of(request)
    now = act.now()

    def work(transaction: Connection) -> Response:
        found = promises.end_archive(transaction, peer_id, now, by=act.actor)
        return _one(_json(transaction, found, rooms))

    return (await act.do(work, now)).response


@router.get(
    "/archives/{peer_id}/requests", summary="Requests for storage commitment to an archive, the latest first"
)
async def list_requests(request: Request, peer_id: Key, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List our requests, each with its `state`, the numbers of instances by result, and whether its result was early,
    late or repeated.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            promises.archive_of(connection, peer_id)
            found = page_of_requests(
                connection, peer_id, before=before[0] if before else None, limit=limit + 1
            )
            return page(found[:limit], cursor_of(found[limit - 1]["id"]) if len(found) > limit else None)

    return answer(await rooms.read(read))


@router.post(
    "/archives/{peer_id}/commit", status_code=202, summary="Ask an archive for storage commitment now"
)
async def commit(request: Request, peer_id: Key, act: AskedAct) -> Response:
    """Enqueue the job that requests commitment to everything that the archive has acknowledged and not committed to."""
    rooms = rooms_of(request)

    def work(transaction: Connection) -> Response:
        promises.archive_of(transaction, peer_id)
        job = enqueue_asking(transaction, peer_id, clock=rooms.clock, actor=str(act.actor))
        return answer({"job": job.id}, status=202)

    return (await act.do(work, act.now())).response


@router.post("/archives/{peer_id}/resume", summary="Rely on an archive's promises again")
async def resume(request: Request, peer_id: Key, act: AskedAct) -> Response:
    """Rely on a suspended archive again, after a person has checked it. An archive that returned other bytes than it
    was sent must prove another recall.
    """
    rooms = rooms_of(request)
    now = act.now()

    def work(transaction: Connection) -> Response:
        found = promises.resume(transaction, peer_id, now, by=act.actor)
        return _one(_json(transaction, found, rooms))

    return (await act.do(work, now)).response


class RecalledBody(BaseModel):
    """The object to fetch."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instance: Annotated[
        str | None,
        Field(max_length=128, description="A SOP Instance UID; null: one that the archive has committed to."),
    ] = None


class EvictedBody(BaseModel):
    """The objects to evict: those that match one value of every list given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    studies: Annotated[list[str], Field(max_length=1000)] = []
    series: Annotated[list[str], Field(max_length=1000)] = []
    instances: Annotated[list[str], Field(max_length=10_000)] = []


@router.post("/archives/{peer_id}/recall", summary="Have an archive prove a recall")
async def recall(request: Request, peer_id: Key, body: RecalledBody, act: AskedAct) -> Response:
    """Fetch an object that is here from the archive, and compare both. This must succeed before anything is evicted. An
    archive that returns other bytes is suspended.
    """
    rooms = rooms_of(request)
    now = act.now()

    def fetched() -> Answered:
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        report = _proved(rooms, peer_id, body.instance)
        return rooms.catalog.write(act.once(lambda transaction: answer(report), now))

    return (await to_thread.run_sync(fetched, limiter=rooms.threads.calls)).response


def _proved(rooms: Rooms, peer_id: int, uid: str | None) -> dict[str, Any]:
    if rooms.recaller is None:
        raise NotFetchedError("This application recalls nothing.")
    with rooms.catalog.read() as connection:
        promises.archive_of(connection, peer_id)
        found = rooms.recaller.provable(connection, peer_id) if uid is None else None
    uid = uid or (found[1] if found else None)
    if uid is None:
        raise ConflictError("The archive has committed to no object that is here.")
    wanted = rooms.door.select(Selection(instances=(uid,)))
    if not wanted or wanted[0].residence != "local":
        raise UnknownResourceError(f"The bytes of the instance {uid} are not here.")
    (live,) = wanted
    return rooms.recaller.prove(peer_id, live.id, lambda: rooms.door.open_copy(live.id, uid))


@router.post("/archives/{peer_id}/evict", summary="Evict objects that an archive has committed to")
async def evict_objects(request: Request, peer_id: Key, body: EvictedBody, act: AskedAct) -> Response:
    """Evict objects: remove their bytes here. Each is evicted only if the archive has committed to exactly its bytes
    and its commitments count. `reasons` says for up to 100 others why they stay.
    """
    rooms = rooms_of(request)
    if not (body.studies or body.series or body.instances):
        raise BadRequestError("Name a study, a series or an instance.")
    selection = Selection(
        studies=tuple(body.studies), series=tuple(body.series), instances=tuple(body.instances)
    )
    found = await rooms.read(lambda: rooms.door.select(selection))
    now = act.now()

    def work(transaction: Connection) -> Response:
        promises.archive_of(transaction, peer_id)
        evicted = evict(transaction, [each.id for each in found], now, archive=peer_id)
        uids = {each.id: each.sop_instance_uid for each in found}
        reasons = [
            {"sop_instance_uid": uids[key], "reason": reason}
            for key, reason in list(evicted.kept.items())[:100]
        ]
        return answer(
            {
                "evicted": len(evicted.instances),
                "bytes": evicted.size,
                "kept": len(evicted.kept),
                "reasons": reasons,
            }
        )

    done = await act.do(work, now)
    await rooms.read(rooms.remove_evicted)
    return done.response


def _one(found: dict[str, Any]) -> Response:
    return answer(found, headers={"ETag": f'"{found["version"]}"'})


def _json(connection: Connection, archive: Archive, rooms: Rooms) -> dict[str, Any]:
    policy = archive.policy
    return {
        "peer": {"id": archive.peer, "name": archive.name},
        "version": archive.version,
        "policy": {
            "commitment": str(policy.commitment),
            "renew_days": policy.renew_days,
            "timeout_minutes": policy.timeout_minutes,
            "recall": str(policy.recall),
            "recall_seconds": policy.recall_seconds,
        },
        "evidence": promises.counts(connection, archive.peer, rooms.clock() - policy.renewal),
        "suspended": {"since": archive.suspended_at, "reason": archive.suspended_because}
        if archive.suspended_at
        else None,
        "proof": {
            "result": str(archive.proof) or None,
            "at": archive.proof_at or None,
            "report": archive.proof_report or None,
        },
        "hindrance": archive.hindrance or None,
        "added": archive.added_at,
    }
