"""`GET studies/{study}/rendered`: the notes of a study with pictures, as a report."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.delivery.reports.content import Report, report_of_study
from kinote.delivery.reports.page import POLICY, study_page
from kinote.delivery.reports.sheets import contact_sheet, pdf
from kinote.holdings.live_objects import Selection
from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.while_wanted import watched, while_wanted
from kinote.web.problems import NotAcceptableError, UnknownResourceError
from kinote.web.requests.actor import actor_of
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["notes"], route_class=PermittedAPIRoute)

_SHEETS = {"application/pdf": pdf, "image/png": contact_sheet}
_OFFERED = ("text/html", *_SHEETS)


@router.get(
    "/studies/{study}/rendered",
    summary="A study's notes for people",
    responses={200: {"content": {kind: {} for kind in _OFFERED}}},
)
async def rendered_study(request: Request, study: str) -> Response:
    """Return the notes of a study with a picture of each key image, up to 96, as `text/html`, `application/pdf`, or as
    the contact sheet `image/png`: by the Accept header or the query parameter `accept`.
    """
    kind = choose(accepted(request), _OFFERED)
    if kind is None:
        raise NotAcceptableError(f"A study is rendered as {', '.join(_OFFERED)}.")
    rooms = rooms_of(request)
    by = actor_of(request)

    def read() -> Report:
        with rooms.catalog.read() as connection:
            shown = report_of_study(connection, rooms.door, study, by)
        if not shown.notes and not rooms.door.select(Selection(studies=(study,))):
            raise UnknownResourceError(f"Nothing that is live has the Study Instance UID {study}.")
        return shown

    shown = await rooms.read(read)
    headers = {"Cache-Control": "private, no-cache"}
    if kind == "text/html":
        async with watched(request) as is_gone:
            return await iterated(
                study_page(rooms.door, shown, is_gone),
                rooms.threads.pictures,
                media_type=kind,
                headers={**headers, "Content-Security-Policy": POLICY},
            )
    make = _SHEETS[kind]
    sheets = await while_wanted(
        request, lambda is_gone: make(rooms.door, shown, is_gone), rooms.threads.pictures
    )
    return Response(sheets, media_type=kind, headers=headers)
