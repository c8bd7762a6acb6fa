"""`GET explain`: why something is missing, from what is known about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.lifecycle.explaining.asked import Asked
from kinote.lifecycle.explaining.missing import missing
from kinote.web.api.protocol.moments import moment_of
from kinote.web.api.protocol.pages import answer, page
from kinote.web.problems import RefusedContentError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["instances"], route_class=PermittedAPIRoute)


@router.get("/explain", summary="Why something is missing")
async def explain_missing(
    request: Request,
    accession: Annotated[str, Query(description="An accession number.")] = "",
    patient: Annotated[
        str, Query(description="A patient ID; beside a study or an order, whose it is expected to be.")
    ] = "",
    study: Annotated[str, Query(description="A Study Instance UID.")] = "",
    instance: Annotated[str, Query(description="A SOP Instance UID.")] = "",
    sender: Annotated[str, Query(description="The AE title or the program that sent it.")] = "",
    since: Annotated[str, Query(description="Not before this moment (ISO 8601).")] = "",
    until: Annotated[str, Query(description="Not after this moment (ISO 8601).")] = "",
) -> Response:
    """Return all causes that apply, in a fixed order: each with its code, a sentence, a remedy, and the first UIDs
    concerned.
    """
    rooms = rooms_of(request)
    asked = Asked(
        accession=accession.strip(),
        patient=patient.strip(),
        study=study.strip(),
        instance=instance.strip(),
        sender=sender.strip(),
        since=moment_of("since", since),
        until=moment_of("until", until),
    )
    if asked.is_empty:
        raise RefusedContentError("Say what is missing: accession, patient, study, instance or sender.")

    def read() -> object:
        with rooms.catalog.read() as connection:
            return page([asdict(cause) for cause in missing(connection, asked)])

    return answer(await rooms.read(read))
