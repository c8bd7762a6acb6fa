"""Scans of folders of other systems, and the folders that are read in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from kinote.catalog.in_place_folders import folders
from kinote.migration.folders.progress import scans
from kinote.migration.folders.scan import FolderScans, NoFolderError, ScanTold, ScanUnderWayError, as_json
from kinote.web.actor import actor_of
from kinote.web.api.other_systems.told_in_lines import in_lines
from kinote.web.api.protocol.pages import answer
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import BadRequestError, ConflictError
from kinote.web.recording import record_begun
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["migrations"], route_class=PermittedAPIRoute)


class WantedScan(BaseModel):
    """A folder to scan."""

    model_config = ConfigDict(extra="forbid", strict=True)

    folder: Annotated[str, Field(min_length=1, description="Its absolute path, as the server sees it.")]
    in_place: Annotated[bool, Field(description="Leave its files where they are, and read them there.")] = (
        False
    )
    content: Annotated[
        Literal["all", "notes"], Field(description="Everything, or key objects and presentation states only.")
    ] = "all"


@router.post("/migrations/scans", summary="Scan a folder of another system")
async def scan_folder(request: Request, body: WantedScan) -> Response:
    """Register the content of a folder, and respond with JSON Lines meanwhile, one each second.

    A line has `files` of how many (`of`, null until they are counted), `counts` by outcome, the rate, and `listed`:
    files that a person should look at. The last line says that it `has_ended`, or has a `problem`. An interrupted scan
    continues where it ended.
    """
    rooms = rooms_of(request)
    scanning = _scans(rooms)
    by = actor_of(request)

    def begin() -> Iterator[ScanTold]:
        record_begun(request, folder=body.folder, content=body.content)
        return scanning.scan(Path(body.folder), in_place=body.in_place, content=body.content, by=by)

    try:
        told = await to_thread.run_sync(begin, limiter=rooms.threads.uploads)
    except NoFolderError as error:
        raise BadRequestError(f"folder: {error}") from error
    except ScanUnderWayError as error:
        raise ConflictError(str(error)) from error
    return in_lines(rooms, (as_json(each) for each in told))


@router.get("/migrations/scans", summary="Scans of folders, the latest first")
async def list_scans(request: Request) -> Response:
    """List scans, each with its `position`, how many `files` it has scanned, and their outcomes."""
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return {"items": scans(connection), "next": None}

    return answer(await rooms.read(read))


@router.get("/migrations/folders", summary="Folders that are read in place")
async def list_folders(request: Request) -> Response:
    """List the folders of other systems whose files are read in place. Their administrators are responsible for keeping
    them.
    """
    rooms = rooms_of(request)

    def read() -> object:
        with rooms.catalog.read() as connection:
            return {"items": folders(connection), "next": None}

    return answer(await rooms.read(read))


def _scans(rooms: Rooms) -> FolderScans:
    if rooms.scans is None:
        raise ConflictError("This application scans no folders.")
    return rooms.scans
