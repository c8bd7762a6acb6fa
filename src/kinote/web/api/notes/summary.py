"""`GET notes/{id}/rendered`: the visual summary of a note."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.delivery.reports.content import Summary, report_of_note, summary
from kinote.delivery.reports.page import POLICY, page
from kinote.delivery.reports.sheets import pdf, png
from kinote.notes.acts.request import NoteNotFoundError
from kinote.notes.lists import queries
from kinote.web.actor import actor_of
from kinote.web.api.protocol.keys import Key
from kinote.web.negotiation import accepted, choose
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import NotAcceptableError
from kinote.web.response_body import iterated
from kinote.web.rooms import rooms_of
from kinote.web.while_wanted import watched, while_wanted

router = APIRouter(tags=["notes"], route_class=PermittedAPIRoute)

_SHEETS = {"application/pdf": pdf, "image/png": png}
_OFFERED = ("text/html", *_SHEETS)


@router.get(
    "/notes/{note_id}/rendered",
    summary="A note for people",
    responses={200: {"content": {kind: {} for kind in _OFFERED}}},
)
async def rendered_note(request: Request, note_id: Key) -> Response:
    """Return the note's text and a picture of each key image, up to 24, as `text/html`, `application/pdf` or
    `image/png`: by the Accept header or the query parameter `accept`.
    """
    kind = choose(accepted(request), _OFFERED)
    if kind is None:
        raise NotAcceptableError(f"A note is rendered as {', '.join(_OFFERED)}.")
    rooms = rooms_of(request)
    by = actor_of(request)

    def read() -> Summary:
        with rooms.catalog.read() as connection:
            note = queries.note(connection, note_id)
            if note is None:
                raise NoteNotFoundError(note_id)
            return summary(connection, rooms.door, note, by)

    shown = await rooms.read(read)
    headers = {"Cache-Control": "private, no-cache"}
    if kind == "text/html":
        async with watched(request) as is_gone:
            return await iterated(
                page(rooms.door, shown, is_gone),
                rooms.threads.pictures,
                media_type=kind,
                headers={**headers, "Content-Security-Policy": POLICY},
            )
    make = _SHEETS[kind]
    sheets = await while_wanted(
        request, lambda is_gone: make(rooms.door, report_of_note(shown), is_gone), rooms.threads.pictures
    )
    return Response(sheets, media_type=kind, headers=headers)
