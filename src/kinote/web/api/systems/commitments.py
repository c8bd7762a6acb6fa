"""Storage commitment that others have requested from Kinote: the results, for each sender."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.lifecycle.commitment.given import page_of_given, shown
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import UnknownResourceError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["commitments"], route_class=PermittedAPIRoute)


@router.get("/commitments", summary="Requests for storage commitment by others, the latest first")
async def list_commitments(
    request: Request,
    sender: Annotated[str, Query(description="Only those of this AE title, or name.", max_length=200)] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List requests, each with the numbers of instances committed to and not, and whether the sender was told the
    result. `state` is `owed`, `told` or `undeliverable`; `fault` says why the last attempt to tell it failed.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = page_of_given(
                connection, sender=sender, before=before[0] if before else None, limit=limit + 1
            )
            return page(found[:limit], cursor_of(found[limit - 1]["id"]) if len(found) > limit else None)

    return answer(await rooms.read(read))


@router.get("/commitments/{commitment_id}", summary="A request for storage commitment, with its instances")
async def show_commitment(request: Request, commitment_id: Key) -> Response:
    """Return a request with the instances that were committed to, and those that were not, with DICOM's Failure
    Reason.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = shown(connection, commitment_id)
        if found is None:
            raise UnknownResourceError(f"There is no request for storage commitment {commitment_id}.")
        return found

    return answer(await rooms.read(read))
