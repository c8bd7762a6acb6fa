"""Single instances: explained, registered again; what was found in received objects."""

from __future__ import annotations

from asyncio import wrap_future
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kinote.dicom import sop_classes
from kinote.keyobject import reader
from kinote.lifecycle.explain import explain
from kinote.notes.registrar import ReceivedKeyObject
from kinote.notes.registration_again import register_again
from kinote.web.api.finding_list import found_objects
from kinote.web.api.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.problems import ConflictError, UnknownResourceError
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["instances"])


@router.get("/instances/{sop}/explain", summary="Why an instance is or is not to be seen")
async def explain_instance(request: Request, sop: str) -> Response:
    """Standing, residence, registration, findings and withdrawals of each stored copy; the copy in use
    first, then held ones. `sentences` say it in words."""
    rooms = rooms_of(request)

    def read() -> list[dict[str, Any]]:
        with rooms.catalog.read() as connection:
            return [asdict(copy) for copy in explain(connection, sop)]

    copies = await rooms.read(read)
    if not copies:
        raise UnknownResourceError(f"Kinote has never had an instance {sop}.")
    return answer(page(copies))


@router.post("/instances/{sop}/register", summary="Try again to understand a key object")
async def register(request: Request, sop: str) -> Response:
    """Read a key object again that could not be understood. One that is registered stays as it is."""
    rooms = rooms_of(request)
    received = await rooms.read(lambda: _read_again(rooms, sop))
    now = datetime.now(UTC)
    registration = await wrap_future(
        rooms.catalog.submit(lambda transaction: register_again(transaction, received, now))
    )
    return answer({"sop_instance_uid": sop, "registration": registration})


@router.get("/findings", summary="What was not fully understood")
async def findings(
    request: Request,
    severity: Annotated[
        str, Query(pattern="^(info|warning|error)$", description="The least severity that is listed.")
    ] = "warning",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """Live objects with findings, the last received first."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            items, following = found_objects(
                connection, severity, before=before[0] if before else None, limit=limit
            )
        return page(items, cursor_of(following) if following else None)

    return answer(await rooms.read(read))


def _read_again(rooms: Rooms, sop: str) -> ReceivedKeyObject:
    with rooms.catalog.read() as connection:
        item = rooms.source.find_instance(connection, sop)
    if item is None:
        raise UnknownResourceError(f"There is no instance {sop} here.")
    if item.sop_class_uid != sop_classes.KEY_OBJECT_SELECTION:
        raise ConflictError(f"The instance {sop} is no key object; there is nothing to register.")
    with rooms.source.open(item) as file:
        # One byte more than is read: the reader then says that it is too large.
        data = file.read(reader.MAX_BYTES + 1)
    reading = reader.read(data, item.transfer_syntax_uid)
    return ReceivedKeyObject(item.id, item.study_instance_uid, sop, reading)
