"""`POST scrub`: reads and compares stored bytes now; used by `kinote doctor --scrub` while a server runs."""

from __future__ import annotations

from dataclasses import asdict

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.pages import Cursor, answer, cursor_of, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["objects"], route_class=PermittedAPIRoute)


@router.post("/scrub", summary="Read and compare stored bytes")
async def scrub(request: Request, act: AskedAct, cursor: Cursor = "") -> Response:
    """Read and compare the next objects, up to 100 or about 64 MB, and mark differing ones as damaged.

    Give `next` as `cursor` until it is null. Then everything has been read.
    """
    rooms = rooms_of(request)
    now = rooms.clock()
    position = position_of(cursor, int)

    def compared() -> Answered:
        # What was marked the first time would not be counted again.
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        found, following = rooms.scrub(position[0] if position else 0)
        said = {**asdict(found), "next": None if following is None else cursor_of(following)}
        return rooms.catalog.write(act.once(lambda transaction: answer(said), now))

    return (await to_thread.run_sync(compared, limiter=rooms.threads.long_reads)).response
