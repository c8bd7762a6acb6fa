"""`GET laws`: checks the store against the laws; used by `kinote doctor --laws`."""

from __future__ import annotations

from dataclasses import asdict

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.web.api.protocol.pages import Cursor, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["objects"], route_class=PermittedAPIRoute)


@router.get("/laws", summary="Look at the store against the laws")
async def check_laws(request: Request, cursor: Cursor = "") -> Response:
    """Check the next 500 instances. List what is wrong, each with the number of the law; nothing is changed.

    Give `next` as `cursor` until it is null. Then everything has been checked, including counters and bytes without a
    row.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    count, found, following = await to_thread.run_sync(
        rooms.check_laws, position[0] if position else 0, limiter=rooms.threads.long_reads
    )
    body = page([asdict(each) for each in found], None if following is None else cursor_of(following))
    return answer({**body, "looked_at": count})
