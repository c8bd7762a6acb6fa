"""Received rejections: list, show, accept or refuse."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.lifecycle.rejection.proposals import (
    Rejection,
    of_note,
    refuse,
    rejected_instances,
    rejection,
    rejections,
)
from kinote.lifecycle.withdrawals.scope import shares_of
from kinote.notes.acts.accepting import accept
from kinote.notes.lists.note import code_as_json
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["withdrawals"], route_class=PermittedAPIRoute)


class RejectionDecision(BaseModel):
    """The decision about a rejection that waits, and the reason."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Annotated[
        Literal["accept", "refuse"],
        Field(description="`accept`: it takes effect. `refuse`: it ends; what it names stays as it is."),
    ]
    reason: Annotated[
        str, Field(min_length=1, max_length=1000, description="Why, in words, for whoever looks later.")
    ]


@router.get("/rejections", summary="Received rejections, oldest first")
async def list_rejections(
    request: Request,
    state: Annotated[
        Literal["waiting", "all"],
        Query(
            description="`waiting`: those that a person is to decide about. `all`: all that were received."
        ),
    ] = "waiting",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List what rejection notes of other systems ask for, and their senders."""
    rooms = rooms_of(request)
    after = position_of(cursor, int)

    def read() -> list[Rejection]:
        with rooms.catalog.read() as connection:
            return rejections(
                connection, everything=state == "all", after=after[0] if after else 0, limit=limit + 1
            )

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return answer(page([_json(each) for each in found[:limit]], following))


@router.get("/rejections/{rejection_id}", summary="A received rejection with its instances")
async def get_rejection(
    request: Request, rejection_id: Key, cursor: Cursor = "", limit: Limit = 100
) -> Response:
    """Return a rejection. `items` has the instances it names: the standing, null if it is not here, and why the
    rejection does not apply to it.
    """
    rooms = rooms_of(request)
    after = position_of(cursor, str)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            found = rejection(connection, rejection_id)
            those = rejected_instances(
                connection, rejection_id, after=after[0] if after else "", limit=limit + 1
            )
        following = cursor_of(those[limit - 1].sop_instance_uid) if len(those) > limit else None
        return _json(found) | page([asdict(each) for each in those[:limit]], following)

    return answer(await rooms.read(read))


@router.post("/rejections/{rejection_id}", summary="Accept or refuse a rejection")
async def decide_rejection(
    request: Request, rejection_id: Key, body: RejectionDecision, act: AskedAct
) -> Response:
    """Decide about a rejection that waits, and about everything else that its note asks for."""
    rooms = rooms_of(request)
    now = act.now().astimezone()

    def work(transaction: Connection) -> Response:
        if body.decision == "accept":
            decided = accept(
                transaction, rejection_id, rooms.rejections, reason=body.reason, by=act.actor, now=now
            )
        else:
            decided = refuse(transaction, rejection_id, reason=body.reason, by=act.actor, now=now)
        asked = of_note(transaction, decided.rejection_note_uid)
        studies = {
            share.study_instance_uid for shares in shares_of(transaction, asked).values() for share in shares
        }
        act.concerns(sorted(studies), decision=body.decision, text=body.reason)
        return answer(_json(decided))

    return (await act.do(work, now)).response


def _json(found: Rejection) -> dict[str, Any]:
    return asdict(found) | {"title": code_as_json(found.title), "state": str(found.state)}
