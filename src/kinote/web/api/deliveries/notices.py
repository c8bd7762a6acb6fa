"""Notices: what other systems are owed because of withdrawals, and notices given by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.orders.notices import destination_for
from kinote.lifecycle.owed.notices import Notice, notices, tell_by_hand
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import KeyInBody
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.problems import FieldError, RefusedContentError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["deliveries"], route_class=PermittedAPIRoute)


class Told(BaseModel):
    """Who was told of which withdrawal: a peer by its number, or an address."""

    model_config = ConfigDict(extra="forbid")

    withdrawal: KeyInBody
    peer: Annotated[
        KeyInBody, Field(description="The number of a peer; 0 for a receiver known by its address.")
    ] = 0
    address: Annotated[str, Field(max_length=500, description="`TITLE@host:port`, as the notice says.")] = ""
    text: Annotated[str, Field(min_length=1, max_length=500, description="How and whom, in your words.")]


@router.get("/notices", summary="What others are owed")
async def list_notices(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List the rejection notes owed to receivers of withdrawn objects, and objects that are in use again, by receiver.
    `by_hand` says that nothing is sent: a person has to tell them.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int, str, str)
    after = (position[0], position[1], position[2]) if position else None

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = notices(connection, after=after, limit=limit + 1)
            following = cursor_of(*found[limit - 1].position) if len(found) > limit else None
            ways: dict[int, str | None] = {}
            for peer in {each.peer for each in found[:limit]}:
                to = destination_for(connection, peer) if peer else None
                ways[peer] = None if to is None else to.name
            items = [_json(each, ways[each.peer]) for each in found[:limit]]
            return page(items, following)

    return answer(await rooms.read(read))


@router.post("/notices/told", summary="Say that somebody was told by hand")
async def told(body: Told, act: AskedAct) -> Response:
    """Record that a person has told a receiver of a withdrawal, or of its end. The receiver is owed nothing more for
    it.
    """
    now = act.now()

    def work(transaction: Connection) -> Response:
        number = tell_by_hand(
            transaction,
            body.withdrawal,
            peer_id=body.peer,
            address=body.address,
            by=f"Told by {act.actor}: {body.text}",
            now=now,
        )
        if not number:
            message = "of this withdrawal the receiver is owed nothing now; `GET notices` says what is owed."
            raise RefusedContentError(f"withdrawal: {message}", errors=[FieldError("withdrawal", message)])
        return answer({"told": number})

    return (await act.do(work, now)).response


def _json(found: Notice, destination: str | None) -> dict[str, Any]:
    return {
        "sop_instance_uid": found.sop_instance_uid,
        "what": "rejection note" if found.is_rejection else "instance",
        "peer": {"id": found.peer, "name": found.peer_name} if found.peer else None,
        "address": found.address,
        "withdrawal": found.withdrawal,
        "act": found.act,
        "is_due": found.is_due,
        "destination": destination,
        "by_hand": destination is None,
        "answer": found.answer,
        "since": found.since,
    }
