"""One object in, with what became of it: what `kinote import` uses while a server runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from kinote.intake.outcome import Outcome
from kinote.web.api.pages import answer
from kinote.web.request_body import in_thread_with_body
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["objects"])


@router.post("/objects", summary="Store one DICOM file")
async def store_object(request: Request) -> Response:
    """The body is a DICOM file. Answers `stored`, `known`, `held` or `refused`, with the reason and findings."""
    rooms = rooms_of(request)

    def take(pieces: Iterator[bytes]) -> Outcome:
        upload = rooms.receiver.open("import")
        try:
            for piece in pieces:
                upload.write(piece)
        except BaseException:
            upload.abandon()
            raise
        return upload.finish().result()

    return answer(asdict(await in_thread_with_body(request, take, rooms.threads.uploads)))
