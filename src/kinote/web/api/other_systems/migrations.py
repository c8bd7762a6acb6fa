"""Notes of other systems: import them, list waiting ones and duplicates, make their key objects."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import asdict
from typing import IO, Annotated, Any

from anyio import CancelScope, to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from kinote.migration.filing import Result
from kinote.migration.importing import ImportEndedError, ImportOptions, NotesImport
from kinote.migration.reading import Format, FormatError, TableReader
from kinote.notes.creator.making import make_some
from kinote.notes.lists.waiting import duplicates, waiting_notes
from kinote.web.actor import actor_of
from kinote.web.api.protocol.keys import KeyInBody
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import BadRequestError, UnsupportedMediaTypeError
from kinote.web.recording import recorder
from kinote.web.request_body import Taking, in_threads_with_body
from kinote.web.rooms import Rooms, rooms_of

log = logging.getLogger(__name__)

router = APIRouter(tags=["migrations"], route_class=PermittedAPIRoute)

_FORMATS: dict[str, Format] = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
}

_PIECE = 256 * 1024


class WantedKeyObjects(BaseModel):
    """The key objects to make: those of a study, or all; and where the last request ended."""

    model_config = ConfigDict(extra="forbid", strict=True)

    study: Annotated[str, Field(max_length=64)] = ""
    after: KeyInBody = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


@router.post(
    "/migrations/notes",
    summary="Import notes of another system",
    openapi_extra={
        "requestBody": {"required": True, "content": {name: {} for name in _FORMATS}},
    },
)
async def import_notes(
    request: Request,
    source: Annotated[
        str, Query(min_length=1, max_length=64, description="The system whose keys the notes have.")
    ] = "legacy",
    dry_run: Annotated[bool, Query(description="Say what would be done, and keep nothing.")] = False,
    skip_unreadable: Annotated[
        bool,
        Query(description="Import the others if it is not known of a row to which note it belongs."),
    ] = False,
    everything: Annotated[
        bool, Query(alias="all", description="Also tell of each note that was imported or known.")
    ] = False,
) -> Response:
    """Import a table of notes (CSV or JSON Lines; docs/migration.md), and respond with JSON Lines while it is filed.

    A line is the outcome of one note, with its `kind` and the line of the table; or the `progress`, after each batch.
    The last line is `done`, or a `problem`, after which the same table can be sent again.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    written = _FORMATS.get(media_type)
    if written is None:
        raise UnsupportedMediaTypeError(f"Content-Type: send the table as {' or '.join(_FORMATS)}.")
    rooms = rooms_of(request)
    table = await in_threads_with_body(request, _on_disk, rooms.threads.uploads)
    work = NotesImport(
        rooms.catalog,
        ImportOptions(source, is_dry=dry_run, skips_unreadable=skip_unreadable),
        by=actor_of(request),
        clock=rooms.clock,
        record=recorder(request, source=source),
    )
    told = _told(work, table, written, everything=everything)
    try:
        first = await to_thread.run_sync(next, told, limiter=rooms.threads.uploads)
    except FormatError as error:
        raise BadRequestError(str(error)) from error
    except BaseException:
        told.close()
        raise
    return StreamingResponse(_streamed(rooms, first, told), media_type="application/x-ndjson")


@router.get("/migrations/waiting", summary="Migrated notes whose key objects wait")
async def list_waiting(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List the key objects that cannot be made yet, each with its note and the `reason`, in the order of the notes."""
    rooms = rooms_of(request)
    after = position_of(cursor, int, str)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = waiting_notes(
                connection, after=(after[0], after[1]) if after else (0, ""), limit=limit + 1
            )
        last = found[limit - 1] if len(found) > limit else None
        following = cursor_of(last["version"], last["study_instance_uid"]) if last else None
        return page(found[:limit], following)

    return answer(await rooms.read(read))


@router.get("/migrations/duplicates", summary="Notes of other systems that were here already")
async def list_duplicates(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List the notes that were not made because `note` has the same title and flags the same, or carries its key
    object.
    """
    rooms = rooms_of(request)
    after = position_of(cursor, int)

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = duplicates(connection, after=after[0] if after else 0, limit=limit + 1)
        following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
        return page(found[:limit], following)

    return answer(await rooms.read(read))


@router.post("/migrations/key-objects", summary="Make key objects of migrated notes now")
async def make_key_objects(request: Request, body: WantedKeyObjects) -> Response:
    """Make the bytes of the next key objects. Return how many were `made` and why others could not be; `next` is the
    `after` of the next request, null at the end.
    """
    rooms = rooms_of(request)

    record = recorder(request, **({"study": body.study} if body.study else {}))

    def make() -> object:
        # Each is made in its own transaction, and sometimes on its first use.
        rooms.catalog.write(lambda transaction: record(transaction, {"at most": body.limit}))
        return asdict(
            make_some(
                rooms.catalog,
                after=body.after,
                limit=body.limit,
                study_instance_uid=body.study,
            )
        )

    return answer(await to_thread.run_sync(make, limiter=rooms.threads.uploads))


def _on_disk() -> Taking[IO[bytes]]:
    """Store a table on disk until it is complete: its rows may be in any order."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    try:
        while (piece := (yield)) is not None:
            file.write(piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _told(
    work: NotesImport, table: IO[bytes], written: Format, *, everything: bool
) -> Generator[bytes, None, None]:
    """Import a table. Yield the lines of the response. Raises `FormatError` only before the first of them."""
    has_begun = False
    try:
        for unread in work.read(TableReader(_pieces(table), written)):
            has_begun = True
            yield _line(_result(unread))
        for results in work.file():
            lines = [
                _line(_result(each))
                for each in results
                if everything or each.kind not in ("imported", "known")
            ]
            has_begun = True
            yield b"".join((*lines, _line({"progress": _progress(work)})))
        yield _line({"done": {**_progress(work), "unknown_columns": work.progress.unknown_columns}})
    except FormatError as error:
        if not has_begun:
            raise
        yield _line({"problem": str(error), "progress": _progress(work)})
    except (ImportEndedError, OSError) as error:
        if not has_begun:
            raise
        log.warning("An import of notes has ended before its end", exc_info=True)
        yield _line({"problem": f"The import ended before its end: {error}", "progress": _progress(work)})
    finally:
        work.close()
        table.close()


def _pieces(table: IO[bytes]) -> Iterator[bytes]:
    while piece := table.read(_PIECE):
        yield piece


def _progress(work: NotesImport) -> dict[str, Any]:
    told = work.progress
    return {"rows": told.rows, "notes": told.notes, "of": work.number_of_notes, "counts": dict(told.counts)}


def _result(found: Result) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "line": found.line,
        "key": found.key,
        "sentence": found.sentence,
        "note": found.note,
    }


def _line(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def _streamed(rooms: Rooms, first: bytes, told: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """Yield the lines as they are made. If the client disconnects, the import ends after the current batch."""

    def following() -> bytes | None:
        return next(told, None)

    try:
        yield first
        while (piece := await to_thread.run_sync(following, limiter=rooms.threads.uploads)) is not None:
            yield piece
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(told.close, limiter=rooms.threads.uploads)
