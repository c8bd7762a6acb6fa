"""`GET laws`: the store is looked at against the laws; what `kinote doctor --laws` uses."""

from __future__ import annotations

from dataclasses import asdict

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.web.api.pages import Cursor, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["objects"], route_class=PermittedAPIRoute)


@router.get("/laws", summary="Look at the store against the laws")
async def check_laws(request: Request, cursor: Cursor = "") -> Response:
    """What is wrong with the next 500 instances, each with the number of the law; nothing is changed.

    Give `next` as `cursor` until it is null: then all has been looked at, counters and bytes without a row, too.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    count, found, following = await to_thread.run_sync(
        rooms.check_laws, position[0] if position else 0, limiter=rooms.threads.long_reads
    )
    body = page([asdict(each) for each in found], None if following is None else cursor_of(following))
    return answer({**body, "looked_at": count})
