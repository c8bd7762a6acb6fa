"""`GET journal`: compares the journal of rare acts with the index; used by `kinote doctor --journal`."""

from __future__ import annotations

from dataclasses import asdict

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.web.api.protocol.pages import answer, page
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["backups"], route_class=PermittedAPIRoute)


@router.get("/journal", summary="Compare the journal of rare acts with the index")
async def compare_journal(request: Request) -> Response:
    """List where both disagree about withdrawals and purges, each with a sentence. Nothing is changed. The list has no
    pages: normally it is empty.
    """
    rooms = rooms_of(request)
    found = await to_thread.run_sync(rooms.compare_journal, limiter=rooms.threads.long_reads)
    return answer(page([asdict(each) for each in found]))
