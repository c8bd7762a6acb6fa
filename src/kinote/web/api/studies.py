"""`GET studies`, `GET studies/{study}` and its account."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.catalog.columns import normal
from kinote.lifecycle.explaining.account import account
from kinote.notes.lists.studies import StudyFilter, studies, study_detail
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.problems import FieldError, RefusedContentError, UnknownResourceError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["studies"], route_class=PermittedAPIRoute)


@router.get("/studies", summary="Studies, newest first")
async def list_studies(
    request: Request,
    text: Annotated[
        str, Query(description="Words of patient name, patient ID, accession number or description.")
    ] = "",
    patient: Annotated[str, Query(description="Patient ID, whole.")] = "",
    title: Annotated[
        str, Query(description="Studies with a note under this title: code value, or `scheme|value`.")
    ] = "",
    modality: Annotated[str, Query(description="Studies with a series of this modality.")] = "",
    first_date: Annotated[
        str, Query(alias="from", description="Study date from here on, `YYYY-MM-DD`.")
    ] = "",
    last_date: Annotated[str, Query(alias="to", description="Study date up to here, `YYYY-MM-DD`.")] = "",
    with_notes: Annotated[bool, Query(description="Only studies with key image notes.")] = False,
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Response:
    """List studies with their counts, the number of their notes, and an image that represents each."""
    rooms = rooms_of(request)
    wanted = StudyFilter(
        text=text,
        patient=patient,
        title=title,
        modality=modality,
        first_date=_date("from", first_date),
        last_date=_date("to", last_date),
        with_notes=with_notes,
    )
    after = position_of(cursor, str, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            items, following = studies(
                connection, wanted, after=(after[0], after[1]) if after else None, limit=limit
            )
        return page(items, cursor_of(*following) if following else None)

    return answer(await rooms.read(read))


@router.get("/studies/{study}", summary="A study with its series and instances")
async def get_study(request: Request, study: str) -> Response:
    """Return what is live in the study: series by number, instances by number."""
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return study_detail(connection, study)

    found = await rooms.read(read)
    if found is None:
        raise UnknownResourceError(f"There is no study {study} here.")
    return answer(found)


@router.get("/studies/{study}/account", summary="The account of a study")
async def get_account(request: Request, study: str) -> Response:
    """Return counts and UIDs of everything that Kinote holds or held of the study, by standing, residence and, for key
    objects, registration. `counts_agree` says whether the stored counter agrees with the live view.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = account(connection, study)
        return found and {**asdict(found), "counts_agree": found.counts_agree}

    found = await rooms.read(read)
    if found is None:
        raise UnknownResourceError(f"Kinote has never had a study {study}.")
    return answer(found)


def _date(field: str, value: str) -> str:
    """Convert `YYYY-MM-DD` or `YYYYMMDD` to the form of the index."""
    if not value:
        return ""
    date = normal.date(value.replace("-", ""))
    if not date:
        message = f"{value!r} is no date; write YYYY-MM-DD."
        raise RefusedContentError(f"{field}: {message}", errors=[FieldError(field, message)])
    return date
