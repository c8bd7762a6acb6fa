"""The sweep that registers key objects again after an upgrade: how much is left."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.keyobject import reader
from kinote.notes.registrar.opened_first import number_left
from kinote.web.api.protocol.pages import answer
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["migrations"], route_class=PermittedAPIRoute)


@router.get("/migrations/sweep", summary="Key objects that are still to be registered again")
async def show_sweep(request: Request) -> Response:
    """Return how many key objects are `left` that an older `reader` has read. The job `register-again` reads them,
    those of an opened study first. It lists those that cannot be read, with the reasons.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return {"reader": reader.VERSION, "left": number_left(connection)}

    return answer(await rooms.read(read))
