"""The audit trail, for users with the right to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.catalog.schema.timestamps import asked_timestamp
from kinote.security.audit.chain import check_chain, unsealed
from kinote.security.audit.entry import AuditEvent
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.web.api.protocol.keys import LARGEST
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import FieldError, RefusedContentError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["access"], route_class=PermittedAPIRoute)


@router.get("/audit", summary="Search the audit trail, the last entry first")
async def search(
    request: Request,
    patient: Annotated[str, Query(description="Patient ID, whole.")] = "",
    actor: Annotated[
        str, Query(description="Login of a user, AE title of a peer, or name of a program, whole.")
    ] = "",
    since: Annotated[
        str, Query(description="Happened from this moment on (ISO 8601; UTC without an offset).")
    ] = "",
    until: Annotated[str, Query(description="Happened before this moment.")] = "",
    event: Annotated[AuditEvent | None, Query(description="What an entry is about.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """Search who did what with whose objects. Read accesses appear after some seconds, and repeated ones by the same
    actor to the same study once in ten minutes.
    """
    rooms = rooms_of(request)
    wanted = TrailSearch(patient, actor, _moment("since", since), _moment("until", until), event)
    before = position_of(cursor, str, int)

    def read() -> list[dict[str, Any]]:
        with rooms.catalog.read() as connection:
            return search_trail(
                connection, wanted, before=(before[0], before[1]) if before else None, limit=limit + 1
            )

    found = await rooms.read(read)
    last = found[limit - 1] if len(found) > limit else None
    return answer(page(found[:limit], cursor_of(last["at"], last["id"]) if last else None))


@router.get("/audit/check", summary="Check the hash chain of the audit trail")
async def check(
    request: Request,
    after: Annotated[int, Query(ge=0, le=LARGEST, description="The chunk to go on after.")] = 0,
) -> Response:
    """Compare some chunks of the chain with their entries. `after` in the response is where to continue; null at the
    end.
    """
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            checked = check_chain(connection, after)
            return {**asdict(checked), "unsealed": unsealed(connection)}

    return answer(await rooms.read(read))


def _moment(field: str, written: str) -> str:
    if not written:
        return ""
    try:
        return asked_timestamp(written)
    except ValueError as error:
        message = "is no moment in ISO 8601."
        raise RefusedContentError(f"{field}: {message}", errors=[FieldError(field, message)]) from error
