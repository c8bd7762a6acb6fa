"""`GET journal`: the journal of rare acts is compared with the index; what `kinote doctor --journal` uses."""

from __future__ import annotations

from dataclasses import asdict

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.web.api.pages import answer, page
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["backups"], route_class=PermittedAPIRoute)


@router.get("/journal", summary="Compare the journal of rare acts with the index")
async def compare_journal(request: Request) -> Response:
    """Where both disagree about withdrawals and purges, each with a sentence; nothing is changed. The list has no
    pages: it is empty, or something is wrong."""
    rooms = rooms_of(request)
    found = await to_thread.run_sync(rooms.compare_journal, limiter=rooms.threads.long_reads)
    return answer(page([asdict(each) for each in found]))
