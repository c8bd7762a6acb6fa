"""`GET changes`: the change feed, in pages or as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from kinote.catalog import changes
from kinote.security.rights import Right
from kinote.web.api.protocol.pages import Limit, answer, page
from kinote.web.identified import may_go_on
from kinote.web.negotiation import accepted, choose
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import FieldError, NotAcceptableError, RefusedContentError
from kinote.web.rooms import Rooms, rooms_of

router = APIRouter(tags=["changes"], route_class=PermittedAPIRoute)

#: Seconds after which an idle stream sends a sign of life, for proxies between us and the client.
_STILL_THERE = 15.0

#: Seconds between two reads of the feed for a stream, however often something is committed.
_SPACING = 0.25

#: Seconds until a stream looks again if an older transaction holds back its changes: at first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0

_EVENTS_AT_ONCE = 500

_DESCRIPTION = f"""Changes in order; a reader who goes on from the last position it has seen misses nothing.
With `Accept: text/event-stream` they keep coming as they happen.

Kinds: {", ".join(f"`{kind}`" for kind in changes.Kind)}; there may be more, to be passed over.
Whoever keeps a copy of all instances reads those that begin with `instance`, with their study and UID; whoever
keeps a list of notes reads those that begin with `note`, with the note's number. Revising and withdrawing a
note is told once, as `note revised` or `note withdrawn`; the rejection note behind it has a number and is no
key image note, so it is told as `rejection note made`. What came from elsewhere is `registered`, not `made`."""


@router.get(
    "/changes",
    summary="What happened",
    description=_DESCRIPTION,
    responses={200: {"content": {"application/json": {}, "text/event-stream": {}}}},
)
async def feed(
    request: Request,
    since: Annotated[str, Query(description="Changes after this position.")] = "",
    cursor: Annotated[str, Query(description="`next` of the page before.")] = "",
    limit: Limit = 100,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    rooms = rooms_of(request)
    kind = choose(accepted(request), ("application/json", "text/event-stream"))
    if kind is None:
        raise NotAcceptableError("Changes are available as application/json or text/event-stream.")
    after = _position("cursor", cursor) if cursor else _position("since", since)
    if kind == "text/event-stream":
        if last_event_id:
            after = _position("Last-Event-ID", last_event_id)
        if after != changes.BEGINNING:
            # A restart of the feed can only be reported before the stream begins.
            await _must_be_readable(rooms, after)
        return StreamingResponse(
            _events(request, rooms, after), media_type=kind, headers={"Cache-Control": "no-store"}
        )
    found = await _since(rooms, after, limit + 1)
    following = str(found[limit - 1].position) if len(found) > limit else None
    return answer(page([_json(change) for change in found[:limit]], following))


async def _since(rooms: Rooms, after: changes.Position, limit: int) -> list[changes.RecordedChange]:
    def read() -> list[changes.RecordedChange]:
        with rooms.catalog.read() as connection:
            return changes.since(connection, after, limit)

    return await rooms.read(read)


async def _must_be_readable(rooms: Rooms, after: changes.Position) -> None:
    def read() -> None:
        with rooms.catalog.read() as connection:
            changes.epoch_of_reading(connection, after)

    await rooms.read(read)


async def _news(rooms: Rooms, after: changes.Position) -> tuple[list[changes.RecordedChange], bool]:
    """Return the changes after a position, and whether there are some that cannot be read yet."""

    def read() -> tuple[list[changes.RecordedChange], bool]:
        with rooms.catalog.read() as connection:
            found = changes.since(connection, after, _EVENTS_AT_ONCE)
            return found, not found and changes.is_held_back(connection, after)

    return await rooms.read(read)


async def _events(request: Request, rooms: Rooms, after: changes.Position) -> AsyncIterator[str]:
    """Yield the events of a stream until the server, or the right to it, ends. The reader ends it by disconnecting."""
    with rooms.streams.open(rooms.catalog.announcements) as stream:
        pause = _FIRST_PAUSE
        while not stream.has_ended:
            stream.look()
            if not await may_go_on(request, rooms, Right.READ):
                return
            found, held_back = await _news(rooms, after)
            for change in found:
                after = change.position
                yield f"id: {after}\nevent: {change.change.kind}\ndata: {json.dumps(_json(change))}\n\n"
            if len(found) == _EVENTS_AT_ONCE:
                continue
            if held_back:
                await stream.rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            if found:
                # Enough for many commits, and too short for a person to notice.
                await stream.rest(_SPACING)
            while not stream.is_awake:
                if not await may_go_on(request, rooms, Right.READ):
                    return
                yield ": nothing new\n\n"
                await stream.wait(_STILL_THERE)


def _json(change: changes.RecordedChange) -> dict[str, Any]:
    return {
        "position": str(change.position),
        "made_at": change.made_at,
        "kind": change.change.kind,
        "study_instance_uid": change.change.study_instance_uid or None,
        "sop_instance_uid": change.change.sop_instance_uid or None,
        "note": change.change.note,
    }


def _position(field: str, text: str) -> changes.Position:
    if not text:
        return changes.BEGINNING
    try:
        return changes.Position.parse(text)
    except ValueError:
        message = f"{text[:40]!r} is no position in the feed."
        raise RefusedContentError(f"{field}: {message}", errors=[FieldError(field, message)]) from None
