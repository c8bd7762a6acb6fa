"""Held copies: list, download, decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any, Literal, Self

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.outgoing import part10
from kinote.intake.comparison import Header, compare, stored_headers
from kinote.lifecycle.copies.choices import ABOUT_HELD, Choice
from kinote.lifecycle.copies.decided import Became, ListedDecision, decided_objects, decisions
from kinote.lifecycle.held import HeldCopy, HeldSelection, first_copy, held, held_copy
from kinote.notes.copies.deciding import Decision as Decided
from kinote.notes.copies.deciding import decide, preview
from kinote.notes.copies.reading import read_held
from kinote.web.api.protocol.idempotency import Act, Answered, AskedAct
from kinote.web.api.protocol.keys import LARGEST, Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.bodies.response_body import iterated
from kinote.web.bodies.while_wanted import while_wanted
from kinote.web.dicomweb.retrieving.rendered import picture_of
from kinote.web.dicomweb.retrieving.rendering import rendering
from kinote.web.problems import FieldError, RefusedContentError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["held copies"], route_class=PermittedAPIRoute)

OnlyPreview = Annotated[
    bool,
    Query(alias="preview", description="Say what it would do, with the patients' names; change nothing."),
]
Frame = Annotated[int, Query(ge=1, le=1_000_000, description="Which frame, counted from 1.")]


class Decision(BaseModel):
    """The decision about a held copy, and the reason."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Annotated[
        Literal["keep first", "take second", "keep both"],
        Field(
            description="`keep first` discards the held copy; `take second` withdraws the first one; `keep both` "
            "issues the held copy under a new UID."
        ),
    ]
    text: Annotated[
        str, Field(max_length=4000, description="Why, in your words. Needed unless it is a preview.")
    ] = ""
    expected: Annotated[
        int | None,
        Field(ge=0, description="How many copies you have seen; another number is refused with 409."),
    ] = None
    seen: Annotated[
        str | None,
        Field(
            max_length=64,
            description="What the preview said in `seen`; if it would say something else now, 409 refuses it.",
        ),
    ] = None

    @property
    def choice(self) -> Choice:
        """The named choice."""
        return Choice(self.decision)

    def check(self) -> None:
        """Refuse a decision without a reason."""
        if not self.text.strip():
            message = "Say why: the reason is kept with the decision."
            raise RefusedContentError(f"text: {message}", errors=[FieldError("text", message)])


#: The most new UIDs in a response. `GET held/decisions/{id}` has all.
_LISTED = 1000

_Uids = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=1000)]


class Decisions(Decision):
    """The decision about several held copies: those that any of the lists names, or all."""

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
        """Return the copies that it is about."""
        return HeldSelection(tuple(self.studies), tuple(self.series), tuple(self.instances), tuple(self.held))


@router.get("/held", summary="Held copies, oldest first")
async def list_held(
    request: Request,
    study: Annotated[str, Query(description="Only those of this study.", max_length=64)] = "",
    series: Annotated[str, Query(description="Only those of this series.", max_length=64)] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List copies that arrived under a UID already used for other content, and await a decision."""
    rooms = rooms_of(request)
    after = position_of(cursor, int)
    # A series is in one study: both say the same, or the series is more specific.
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
    """Return the held copy as a DICOM file. Its data set is exactly as received."""
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


@router.get("/held/decisions", summary="Decisions about copies, the latest first")
async def list_decisions(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List decisions: who decided what, when and why, and about how many objects. They include objects issued again."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> list[ListedDecision]:
        with rooms.catalog.read() as connection:
            return decisions(connection, before=before[0] if before else None, limit=limit + 1)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return answer(page([asdict(each) for each in found[:limit]], following))


@router.get("/held/decisions/{decision_id}", summary="What became of the objects of a decision")
async def decision_objects(
    request: Request, decision_id: Key, cursor: Cursor = "", limit: Limit = 100
) -> Response:
    """List the objects of a decision by the number of their copy: UID, outcome, new UID if there is one, and
    withdrawal.
    """
    rooms = rooms_of(request)
    after = position_of(cursor, int)

    def read() -> list[Became]:
        with rooms.catalog.read() as connection:
            return decided_objects(connection, decision_id, after=after[0] if after else 0, limit=limit + 1)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].instance) if len(found) > limit else None
    return answer(page([asdict(each) for each in found[:limit]], following))


@router.get("/held/{held_id}/comparison", summary="Compare a held copy with the first one")
async def comparison(request: Request, held_id: Key) -> Response:
    """Compare both copies: the attributes that differ with both values, whether the pixels are the same, the addresses
    of both pictures, and the effect of each choice.
    """
    rooms = rooms_of(request)

    def look() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            copy = held_copy(connection, held_id)
            first = first_copy(connection, copy.sop_instance_uid)
            headers = stored_headers(connection, [copy.id, first.id])
            selected = HeldSelection(held=(held_id,))
            choices = [preview(connection, selected, choice) for choice in ABOUT_HELD]
        compared = compare(rooms.door, copy, first.id, first.transfer_syntax_uid, headers)
        at = f"/api/v1/held/{held_id}"
        return {
            "held": {
                **_json(copy),
                "picture": f"{at}/rendered" if _has_pixels(headers.get(copy.id)) else None,
            },
            "first": {
                **asdict(first),
                "picture": f"{at}/first/rendered" if _has_pixels(headers.get(first.id)) else None,
            },
            **asdict(compared),
            "choices": [_decision(each) for each in choices],
        }

    return answer(await to_thread.run_sync(look, limiter=rooms.threads.decoded))


def _has_pixels(header: Header | None) -> bool:
    return header is not None and "00280010" in header


@router.get(
    "/held/{held_id}/rendered",
    summary="A picture of a held copy",
    responses={200: {"content": {"image/jpeg": {}, "image/png": {}}}},
)
async def held_picture(request: Request, held_id: Key, frame: Frame = 1) -> Response:
    """Render a frame of the held copy, with the parameters of rendered resources of DICOMweb."""
    return await _picture(request, held_id, frame, is_first=False)


@router.get(
    "/held/{held_id}/first/rendered",
    summary="A picture of the copy beside which a copy is held",
    responses={200: {"content": {"image/jpeg": {}, "image/png": {}}}},
)
async def first_picture(request: Request, held_id: Key, frame: Frame = 1) -> Response:
    """Render a frame of the first copy, live or withdrawn, for the person who decides."""
    return await _picture(request, held_id, frame, is_first=True)


async def _picture(request: Request, held_id: int, frame: int, *, is_first: bool) -> Response:
    rooms = rooms_of(request)
    wanted = rendering(request)

    def rendered(is_gone: Callable[[], bool]) -> bytes:
        with rooms.catalog.read() as connection:
            copy = held_copy(connection, held_id)
            first = first_copy(connection, copy.sop_instance_uid)
        if is_first:
            stored, syntax = rooms.door.open_copy(first.id, copy.sop_instance_uid), first.transfer_syntax_uid
        else:
            stored, syntax = rooms.door.open_held(copy), copy.transfer_syntax_uid
        picture, _ = picture_of(stored, syntax, frame, wanted, is_gone)
        return picture

    picture = await while_wanted(request, rendered, rooms.threads.pictures)
    return Response(picture, media_type=wanted.media_type, headers={"Cache-Control": "private, no-cache"})


@router.post("/held", summary="Decide about several held copies")
async def decide_several(
    request: Request, body: Decisions, act: AskedAct, only: OnlyPreview = False
) -> Response:
    """Make one decision about all held copies of studies or series, under UIDs, with numbers, or about all there are.

    It is one transaction, all or none.
    """
    return await _decide(request, body, body.selection(), act, is_preview=only)


@router.post("/held/{held_id}", summary="Decide about a held copy")
async def decide_one(
    request: Request, held_id: Key, body: Decision, act: AskedAct, only: OnlyPreview = False
) -> Response:
    """Make the decision about one copy."""
    return await _decide(request, body, HeldSelection(held=(held_id,)), act, is_preview=only)


async def _decide(
    request: Request, body: Decision, selected: HeldSelection, act: Act, *, is_preview: bool
) -> Response:
    rooms = rooms_of(request)
    if is_preview:

        def look() -> Decided:
            rooms.write_ledger()
            with rooms.catalog.read() as connection:
                return preview(connection, selected, body.choice)

        return answer(_decision(await rooms.read(look)))
    body.check()
    now = act.now().astimezone()

    def decide_it() -> Answered:
        # A repeated request gets the same response, although its copies are not held any more.
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        # A copy that somebody was sent keeps its UID.
        rooms.write_ledger()
        readings = read_held(rooms.catalog, rooms.door, selected, body.choice)

        def work(transaction: Connection) -> Response:
            made = decide(
                transaction,
                selected,
                body.choice,
                text=body.text.strip(),
                by=act.actor,
                now=now,
                readings=readings,
                undo_window=rooms.options.undo_window,
                expected=body.expected,
                seen=body.seen,
            )
            act.concerns(
                [share.study_instance_uid for share in made.studies],
                decision=str(made.choice),
                text=body.text.strip(),
            )
            return answer(_decision(made))

        return rooms.receiver.write_and_remove(act.once(work, now))

    return (await to_thread.run_sync(decide_it, limiter=rooms.threads.uploads)).response


def _decision(made: Decided) -> dict[str, Any]:
    return {
        "decision": str(made.choice),
        "id": made.id,
        "decided" if made.id is not None else "instances": made.number,
        "ways": {str(way): number for way, number in made.ways.items()},
        "receivers": made.receivers,
        "studies": [asdict(share) for share in made.studies],
        "withdrawals": list(made.withdrawals),
        "new_uids": [
            {"held": key, "sop_instance_uid": uid} for key, uid in islice(made.new_uids.items(), _LISTED)
        ],
        "hindrance": made.hindrance or None,
        **({"seen": made.seen} if made.seen else {}),
    }


def _json(copy: HeldCopy) -> dict[str, Any]:
    fields = asdict(copy)
    # The location of the bytes is internal.
    del fields["store"], fields["file_key"], fields["dataset_offset"]
    return fields
