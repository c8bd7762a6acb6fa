"""`POST objects`: stores one object and reports the outcome; used by `kinote import` while a server runs."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.intake.outcome import OUT_OF_RESOURCES, Outcome
from kinote.security.origins import Interface, Origin
from kinote.web.actor import actor_of
from kinote.web.api.protocol.pages import answer
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import OutOfResourcesError, UnsupportedMediaTypeError
from kinote.web.request_body import Taking, in_threads_with_body
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["objects"], route_class=PermittedAPIRoute)


@router.post(
    "/objects",
    summary="Bring in one object",
    openapi_extra={"requestBody": {"required": True, "content": {"application/dicom": {}}}},
)
async def bring_in(request: Request) -> Response:
    """Store a DICOM file, streamed, and report the outcome once it is durable: `stored`, `known` already, `held` beside
    other content with its UID, or `refused` and why.

    The problem is `out-of-resources` if the object is not at fault and may be sent again later.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/dicom":
        raise UnsupportedMediaTypeError("Content-Type: send one DICOM file as application/dicom.")
    rooms = rooms_of(request)
    origin = Origin(Interface.API, actor_of(request))

    def take() -> Taking[Outcome]:
        upload = rooms.receiver.open(origin)
        try:
            while (piece := (yield)) is not None:
                upload.write(piece)
        except BaseException:
            upload.abandon()
            raise
        return upload.finish().result()

    outcome = await in_threads_with_body(request, take, rooms.threads.uploads)
    if outcome.status == OUT_OF_RESOURCES:
        raise OutOfResourcesError(outcome.reason, headers={"Retry-After": "60"})
    answered = asdict(outcome)
    # The sender knows that.
    del answered["sender"]
    return answer(answered)
