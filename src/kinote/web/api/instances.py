"""Single instances: explain and register again; findings in received objects."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.orders.lists import delivery_sentences
from kinote.holdings.live_objects import LiveObject
from kinote.lifecycle.explaining.explain import explain
from kinote.lifecycle.findings.finding_list import found_objects
from kinote.lifecycle.holds.membership import hold_sentences
from kinote.notes.registrar.reading_again import reading_again, to_be_read_again
from kinote.retention.explaining import retention_sentences
from kinote.web.api.picture_findings import picture_findings
from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.problems import UnknownResourceError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["instances"], route_class=PermittedAPIRoute)


@router.get("/instances/{sop}/explain", summary="Why an instance is or is not to be seen")
async def explain_instance(request: Request, sop: str) -> Response:
    """Return standing, residence, registration, findings and withdrawals of each stored copy: the copy in use first,
    then held ones. `sentences` say the same in words.
    """
    rooms = rooms_of(request)

    def read() -> tuple[list[dict[str, Any]], LiveObject | None]:
        with rooms.catalog.read() as connection:
            explained = [asdict(copy) for copy in explain(connection, sop)]
            if explained:
                kept = hold_sentences(connection, sop, rooms.clock())
                sent = delivery_sentences(connection, sop)
                cached = retention_sentences(connection, sop, rooms.clock())
                explained[0]["sentences"] = [*explained[0]["sentences"], *kept, *cached, *sent]
            return explained, rooms.door.find_instance(connection, sop)

    copies, item = await rooms.read(read)
    if not copies:
        raise UnknownResourceError(f"Kinote has never had an instance {sop}.")
    if item is not None:
        # It reads the object itself, and must not delay short reads of the catalog.
        of_picture = partial(picture_findings, rooms.door, item)
        found = await to_thread.run_sync(of_picture, limiter=rooms.threads.decoded)
        copies[0]["findings"] = [*copies[0]["findings"], *found]
    return answer(page(copies))


@router.get("/instances/to-register", summary="Key objects that may be understood otherwise now")
async def to_register(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List live key objects that an older version read, and those with findings of severity warning or error: those to
    be registered again with `POST instances/{sop}/register` after an update. Each has only its `sop_instance_uid`.
    """
    rooms = rooms_of(request)
    after = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = to_be_read_again(connection, after=after[0] if after else 0, limit=limit + 1)
        following = cursor_of(found[limit - 1][0]) if len(found) > limit else None
        return page([{"sop_instance_uid": uid} for _, uid in found[:limit]], following)

    return answer(await rooms.read(read))


@router.post("/instances/{sop}/register", summary="Read a key object again")
async def register(request: Request, sop: str, act: AskedAct) -> Response:
    """Read the stored bytes of a key object again, and register the result.

    Its findings are replaced. Its note keeps its number. If the content is now read differently, that is the note's
    next version. `changed` says whether anything differs from before, `was` is the former registration.
    """
    rooms = rooms_of(request)
    now = rooms.clock()

    def again() -> Answered:
        # Checked before anything is read: later the document may have been withdrawn.
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        registering = reading_again(rooms.catalog, rooms.door, sop, by=act.actor, now=now)

        def work(transaction: Connection) -> Response:
            return answer(asdict(registering(transaction)))

        return rooms.catalog.write(act.once(work, now))

    return (await to_thread.run_sync(again, limiter=rooms.threads.uploads)).response


@router.get("/findings", summary="What was not fully understood")
async def findings(
    request: Request,
    severity: Annotated[
        str, Query(pattern="^(info|warning|error)$", description="The least severity that is listed.")
    ] = "warning",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List live objects with findings, the latest received first."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            items, following = found_objects(
                connection, severity, before=before[0] if before else None, limit=limit
            )
        return page(items, cursor_of(following) if following else None)

    return answer(await rooms.read(read))
