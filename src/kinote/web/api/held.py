"""Held copies: list, download, decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.outgoing import part10
from kinote.intake.receiver import discard
from kinote.lifecycle.held import HeldCopy, HeldSelection, held, held_copy
from kinote.web.api.idempotency import AskedAct
from kinote.web.api.keys import LARGEST, Key
from kinote.web.api.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.response_body import iterated
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["held copies"], route_class=PermittedAPIRoute)


class Decision(BaseModel):
    """What is to become of a held copy."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Annotated[
        Literal["discard"],
        Field(description="`discard`: its rows and bytes are removed; the live copy stays as it is."),
    ]


#: Held copies that are decided in one transaction.
_DECIDED_AT_ONCE = 1000

_Uids = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=1000)]


class Decisions(Decision):
    """What is to become of several held copies: those that any of the lists names, or all."""

    studies: _Uids = []
    series: _Uids = []
    instances: _Uids = []
    held: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(max_length=1000)] = []
    all: Annotated[bool, Field(description="Every held copy; no list may be given then.")] = False

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.all == bool(self.studies or self.series or self.instances or self.held):
            raise ValueError("say which: studies, series, instances or held, or else all")
        return self

    def selection(self) -> HeldSelection:
        """The copies that are meant."""
        return HeldSelection(tuple(self.studies), tuple(self.series), tuple(self.instances), tuple(self.held))


@router.get("/held", summary="Held copies, oldest first")
async def list_held(
    request: Request,
    study: Annotated[str, Query(description="Only those of this study.", max_length=64)] = "",
    series: Annotated[str, Query(description="Only those of this series.", max_length=64)] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """Copies that came under a UID already taken by other content, and wait for a decision."""
    rooms = rooms_of(request)
    after = position_of(cursor, int)
    # A series lies in one study: both say the same, or the series says more.
    selected = HeldSelection(series=(series,)) if series else HeldSelection(studies=(study,) if study else ())

    def read() -> list[HeldCopy]:
        with rooms.catalog.read() as connection:
            return held(connection, selected, after=after[0] if after else 0, limit=limit + 1)

    copies = await rooms.read(read)
    following = cursor_of(copies[limit - 1].id) if len(copies) > limit else None
    return answer(page([_json(copy) for copy in copies[:limit]], following))


@router.get(
    "/held/{held_id}/file",
    summary="Download a held copy",
    responses={200: {"content": {"application/dicom": {}}}},
)
async def held_file(request: Request, held_id: Key) -> Response:
    """The held copy as a DICOM file; its data set is exactly as it was received."""
    rooms = rooms_of(request)

    def find() -> HeldCopy:
        with rooms.catalog.read() as connection:
            return held_copy(connection, held_id)

    copy = await rooms.read(find)

    def file() -> Iterator[bytes]:
        yield from part10(copy, rooms.door.open_held(copy))

    return await iterated(
        file(),
        rooms.threads.streams,
        media_type="application/dicom",
        headers={"Content-Disposition": f'attachment; filename="held-{held_id}.dcm"'},
    )


@router.post("/held", summary="Decide about several held copies")
async def decide_several(request: Request, body: Decisions, act: AskedAct) -> Response:
    """Carry out one decision about all held copies of studies or series, under UIDs, with numbers, or all there are.

    At most 1,000 are decided at once: `left` says whether there are more, for which the request is made again.
    """
    rooms = rooms_of(request)
    now = rooms.clock()

    def work(transaction: Connection) -> Response:
        copies = held(transaction, body.selection(), limit=_DECIDED_AT_ONCE + 1)
        for copy in copies[:_DECIDED_AT_ONCE]:
            discard(transaction, copy.id, act.actor, now)
        decided = min(len(copies), _DECIDED_AT_ONCE)
        return answer({"decision": body.decision, "decided": decided, "left": len(copies) > _DECIDED_AT_ONCE})

    answered = await to_thread.run_sync(
        lambda: rooms.receiver.write_and_remove(act.once(work, now)),
        limiter=rooms.threads.uploads,
    )
    return answered.response


@router.post("/held/{held_id}", summary="Decide about a held copy")
async def decide(request: Request, held_id: Key, body: Decision, act: AskedAct) -> Response:
    """Carry out the decision; answers with the copy as it was."""
    rooms = rooms_of(request)
    now = rooms.clock()

    def work(transaction: Connection) -> Response:
        return answer({**_json(discard(transaction, held_id, act.actor, now)), "decision": body.decision})

    answered = await to_thread.run_sync(
        lambda: rooms.receiver.write_and_remove(act.once(work, now)),
        limiter=rooms.threads.uploads,
    )
    return answered.response


def _json(copy: HeldCopy) -> dict[str, Any]:
    fields = asdict(copy)
    # Where the bytes lie is nobody's business.
    del fields["store"], fields["file_key"], fields["dataset_offset"]
    return fields
