"""Withdrawals that wait for a second person: list, look at, confirm or refuse."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.lifecycle.second_person.requests import (
    RequestState,
    WithdrawalRequest,
    decide,
    one_request,
    requests,
    require_second_person,
    take_up,
)
from kinote.security.actors import KINOTE
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.withdrawing.as_json import request_as_json
from kinote.web.api.withdrawing.asked import AskedWithdrawal, carry_out, scope_as_json
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import RefusedContentError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["withdrawals"], route_class=PermittedAPIRoute)


class RequestDecision(BaseModel):
    """What is to become of a withdrawal that waits for a second person, and why."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Annotated[
        Literal["confirm", "refuse"],
        Field(description="`confirm`: it is withdrawn now. `refuse`: nothing is, and it ends."),
    ]
    reason: Annotated[str, Field(max_length=1000, description="Why, in words; not needed to confirm.")] = ""


@router.get("/withdrawal-requests", summary="Withdrawals that wait for a second person, the latest first")
async def list_withdrawal_requests(
    request: Request,
    state: Annotated[
        Literal["waiting", "all"],
        Query(description="`waiting`: those that can be confirmed. `all`: all that were asked for."),
    ] = "waiting",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List who wants to withdraw what, and why. Nothing of it is withdrawn yet."""
    rooms = rooms_of(request)
    before = position_of(cursor, int)

    def read() -> list[WithdrawalRequest]:
        with rooms.catalog.read() as connection:
            return requests(
                connection,
                rooms.clock(),
                everything=state == "all",
                before=before[0] if before else None,
                limit=limit + 1,
            )

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return answer(page([request_as_json(each) for each in found[:limit]], following))


@router.get("/withdrawal-requests/{request_id}", summary="A withdrawal that was asked for")
async def get_withdrawal_request(request: Request, request_id: Key) -> Response:
    """Show one. While it waits, `means` has what it would withdraw now, with the patients' names; null for nothing."""
    rooms = rooms_of(request)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            found = one_request(connection, request_id, rooms.clock())
            means = None
            if found.state is RequestState.WAITING:
                try:
                    means = scope_as_json(_asked(found).scope(connection))
                except RefusedContentError:
                    # It was withdrawn otherwise meanwhile.
                    means = None
            return {**request_as_json(found), "means": means}

    return answer(await rooms.read(read))


@router.post("/withdrawal-requests/{request_id}", summary="Confirm or refuse a withdrawal that waits")
async def decide_withdrawal_request(
    request: Request, request_id: Key, body: RequestDecision, act: AskedAct
) -> Response:
    """Confirm it as a second person, or refuse it.

    Who confirms has signed in, and is not the one who asked. Then it is withdrawn in the same transaction, in the name
    of who asked, with `confirmed_by`; of studies and series all that is live by then. Anybody who may withdraw refuses
    it, whoever asked for it too. 409 says that it does not wait any more.
    """
    rooms = rooms_of(request)
    now = act.now().astimezone()
    because = body.reason.strip()

    def work(transaction: Connection) -> Response:
        found = take_up(transaction, request_id, now)
        asked = _asked(found)
        key = None
        if body.decision == "confirm":
            require_second_person(found, act.actor)
            meant = asked.scope(transaction)
            act.concerns(
                [share.study_instance_uid for share in meant.studies],
                act=found.act,
                decision=body.decision,
                text=because,
            )
            key = carry_out(
                transaction,
                asked,
                meant,
                by=found.asked_by or KINOTE,
                now=now,
                undo_window=rooms.options.undo_window,
            )
        else:
            act.concerns(asked.studies, act=found.act, decision=body.decision, text=because)
        decided = decide(transaction, request_id, because=because, by=act.actor, now=now, withdrawal=key)
        return answer(request_as_json(decided))

    return (await act.do(work, now)).response


def _asked(found: WithdrawalRequest) -> AskedWithdrawal:
    return AskedWithdrawal.model_validate(found.asked)
