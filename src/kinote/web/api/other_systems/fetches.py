"""Fetches from other systems, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from kinote.migration.fetching.account import fetches, missing_series
from kinote.migration.fetching.fetch import Fetches, FetchTold, FetchUnderWayError
from kinote.migration.fetching.named_sources import NamedSources
from kinote.peers.reaching.calling import PeerError
from kinote.web.api.other_systems.told_in_lines import in_lines
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.problems import BadRequestError, ConflictError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.requests.recording import record_begun
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["migrations"], route_class=PermittedAPIRoute)


class WantedFetch(BaseModel):
    """A system to fetch from."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: Annotated[
        str,
        Field(
            min_length=1,
            description="A peer or a destination by its name, TITLE@host:port, or the URL of a DICOMweb service.",
        ),
    ]
    wants: Annotated[
        Literal["notes", "images"], Field(description="Key objects, or the images that they flag as well.")
    ] = "notes"
    tls: Annotated[bool, Field(description="Call TITLE@host:port by TLS.")] = False


@router.post("/migrations/fetches", summary="Fetch key objects of another system")
async def fetch(request: Request, body: WantedFetch) -> Response:
    """Fetch the key objects of all studies of a system, and respond with JSON Lines meanwhile.

    A line has the `studies` that are done of all (`of`), and the `account`: series and instances that the system lists,
    that are `here`, and that are `missing`. The last line says that it `has_ended`, or has a `problem`. An interrupted
    fetch continues where it ended.
    """
    rooms = rooms_of(request)
    named, fetching = _fetching(rooms)

    def begin() -> Iterator[FetchTold]:
        found = named.find(body.source, by_tls=body.tls)
        record_begun(request, source=found.name, wants=body.wants)
        return fetching.fetch(found.name, found.source, body.wants, found.origin)

    try:
        told = await to_thread.run_sync(begin, limiter=rooms.threads.calls)
    except PeerError as error:
        raise BadRequestError(f"source: {error}") from error
    except FetchUnderWayError as error:
        raise ConflictError(str(error)) from error
    return in_lines(rooms, (each.as_json() for each in told))


@router.get("/migrations/fetches", summary="What was fetched from other systems, the latest first")
async def list_fetches(request: Request) -> Response:
    """List fetches, each with its account."""
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return {"items": fetches(connection), "next": None}

    return answer(await rooms.read(read))


@router.get("/migrations/fetches/{fetch_id}/missing", summary="What another system lists and is not here")
async def list_missing(request: Request, fetch_id: Key, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List the series with missing instances, with their first UIDs and the `reason`."""
    rooms = rooms_of(request)
    after = position_of(cursor, str, str, str)

    def read() -> object:
        with rooms.catalog.read() as connection:
            position = (after[0], after[1], after[2]) if after else ("", "", "")
            found = missing_series(connection, fetch_id, after=position, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        following = cursor_of(last["of_study"], last["series_instance_uid"], last["kind"]) if last else None
        return page(found[:limit], following)

    return answer(await rooms.read(read))


def _fetching(rooms: Rooms) -> tuple[NamedSources, Fetches]:
    if rooms.fetching is None:
        raise ConflictError("This application fetches nothing.")
    return rooms.fetching
