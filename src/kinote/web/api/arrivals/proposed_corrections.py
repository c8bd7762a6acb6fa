"""Corrections that held copies propose: list, and dismiss."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.lifecycle.copies.proposed_corrections import ProposedCorrection, dismiss, proposed_corrections
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["held copies"], route_class=PermittedAPIRoute)


class AskedDismissal(BaseModel):
    """The decision to keep what is known of a study, and the reason."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Annotated[Literal["dismiss"], Field(description="`dismiss`: what is known stays.")]
    text: Annotated[str, Field(min_length=1, max_length=4000, description="Why, in your words.")]


@router.get("/proposed-corrections", summary="Corrections that copies propose")
async def list_proposed(
    request: Request,
    study: Annotated[str, Query(description="Only that of this study.", max_length=64)] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List what copies say about patient, study and order, if they differ from stored objects in nothing else: one row
    for a study, until somebody decides.
    """
    rooms = rooms_of(request)
    after = position_of(cursor, int)

    def read() -> list[ProposedCorrection]:
        with rooms.catalog.read() as connection:
            return proposed_corrections(
                connection, study_instance_uid=study, after=after[0] if after else 0, limit=limit + 1
            )

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return answer(page([_json(each) for each in found[:limit]], following))


@router.post("/proposed-corrections/{correction_id}", summary="Dismiss a proposed correction")
async def decide_proposed(correction_id: Key, body: AskedDismissal, act: AskedAct) -> Response:
    """Decide to keep what is known. The headers of the copies are stored. A further copy starts a new proposal."""
    now = act.now()

    def work(transaction: Connection) -> Response:
        dismissed = dismiss(transaction, correction_id, because=body.text.strip(), by=act.actor, now=now)
        act.concerns([dismissed.study_instance_uid], decision=body.decision, text=dismissed.decided_because)
        return answer(_json(dismissed))

    return (await act.do(work, now)).response


def _json(each: ProposedCorrection) -> dict[str, Any]:
    return {**asdict(each), "decided_by": str(each.decided_by) if each.decided_by else None}
