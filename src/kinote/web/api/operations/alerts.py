"""Alerts: conditions that need a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.holdings.alerts import Wanted, acknowledge, alerts, number_open, own, snooze
from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["alerts"], route_class=PermittedAPIRoute)


class WantedSnooze(BaseModel):
    """How long to snooze an alert; 0 hours ends the snooze."""

    model_config = ConfigDict(extra="forbid", strict=True)

    hours: Annotated[float, Field(ge=0, le=24 * 90, allow_inf_nan=False)]


class WantedOwner(BaseModel):
    """Who deals with an alert; empty for nobody."""

    model_config = ConfigDict(extra="forbid", strict=True)

    owner: Annotated[str, Field(max_length=194, pattern=r"^[^\x00-\x1f\x7f]*$")]


@router.get("/alerts", summary="Alerts, the latest first")
async def list_alerts(
    request: Request,
    state: Annotated[
        Wanted, Query(description="`open`: those whose condition holds; `cleared`: the others; or `all`.")
    ] = "open",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List alerts with the problem and what to do, since when, and who has acknowledged, snoozed or owns them.
    `numbers` counts the open ones by state.
    """
    rooms = rooms_of(request)
    before = position_of(cursor, int)
    now = rooms.clock()

    def read() -> object:
        with rooms.catalog.read() as connection:
            found = alerts(connection, state, now, before=before[0] if before else None, limit=limit + 1)
            numbers = number_open(connection, now)
        following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
        return {**page(found[:limit], following), "numbers": numbers}

    return answer(await rooms.read(read))


@router.post("/alerts/{alert_id}/acknowledge", summary="Acknowledge an alert")
async def acknowledge_alert(request: Request, alert_id: Key, act: AskedAct) -> Response:
    """Acknowledge the alert: you have seen it and deal with it. It stays until its condition ends."""
    now = rooms_of(request).clock()

    def work(transaction: Connection) -> Response:
        return answer(acknowledge(transaction, alert_id, act.actor, now))

    return (await act.do(work, now)).response


@router.post("/alerts/{alert_id}/snooze", summary="Let an alert wait")
async def snooze_alert(request: Request, alert_id: Key, body: WantedSnooze, act: AskedAct) -> Response:
    """Snooze the alert for this many hours. Then it counts as before."""
    rooms = rooms_of(request)
    now = rooms.clock()
    until = now + timedelta(hours=body.hours)

    def work(transaction: Connection) -> Response:
        return answer(snooze(transaction, alert_id, until, act.actor, now))

    return (await act.do(work, now)).response


@router.post("/alerts/{alert_id}/own", summary="Say who is to see to an alert")
async def own_alert(request: Request, alert_id: Key, body: WantedOwner, act: AskedAct) -> Response:
    """Set the owner, who may be somebody else than the caller."""
    now = rooms_of(request).clock()

    def work(transaction: Connection) -> Response:
        return answer(own(transaction, alert_id, body.owner.strip(), act.actor, now))

    return (await act.do(work, now)).response


@router.post("/alerts/test", summary="Send a test message")
async def send_test_message(request: Request, act: AskedAct) -> Response:
    """Send a test message by mail and to each configured webhook. Each result says whether it was `sent`, with a
    `sentence`.
    """
    rooms = rooms_of(request)
    now = act.now()

    def called() -> Answered:
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        found = page(rooms.test_alerts())
        return rooms.catalog.write(act.once(lambda transaction: answer(found), now))

    return (await to_thread.run_sync(called, limiter=rooms.threads.calls)).response
