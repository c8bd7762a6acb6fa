"""Arrivals that were refused or broken off."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.intake.refusals import refused_arrivals
from kinote.web.api.protocol.moments import moment_of
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["objects"], route_class=PermittedAPIRoute)


@router.get("/arrivals/refused", summary="Refused arrivals, the latest first")
async def list_refused(
    request: Request,
    sender: Annotated[
        str, Query(description="Only those of this AE title, or of a program of this name.")
    ] = "",
    uid: Annotated[str, Query(description="Only those of this SOP Instance UID.")] = "",
    since: Annotated[str, Query(description="Only those since this moment (ISO 8601).")] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List what was offered and not accepted, by whom, when and why. If a sender had too many in an hour, one row with
    their `count` stands for them.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, int)
    moment = moment_of("since", since)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = refused_arrivals(
                connection,
                sender=sender,
                sop_instance_uid=uid,
                since=moment,
                before=before[0] if before else None,
                limit=limit + 1,
            )
        return page(found[:limit], cursor_of(found[limit - 1]["id"]) if len(found) > limit else None)

    return answer(await rooms.read(read))
