"""Plans of retention: what would be evicted, and by which rule. Making one evicts nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.retention import headroom
from kinote.retention.evictions import carry_out, evictions
from kinote.retention.planning.asking import usable_archives
from kinote.retention.planning.plans import (
    MadePlan,
    Plan,
    items_of,
    keep_plan,
    make_plan,
    one_plan,
    page_of_plans,
)
from kinote.retention.rules.sets import StoredRules, current_rules
from kinote.retention.units.following import UnitCounter
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import LARGEST, Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["retention"], route_class=PermittedAPIRoute)


class AskedPlan(BaseModel):
    """How much a plan should free."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: Annotated[
        int | None,
        Field(ge=0, le=LARGEST, description="How many bytes; without it, what the bounds ask for."),
    ] = None


@router.get("/retention/plans", summary="Plans, the latest first")
async def list_plans(request: Request, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List plans, each with how much was wanted, and what it would free."""
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    before = position[0] if position else None

    def read() -> list[Plan]:
        with rooms.catalog.read() as connection:
            return page_of_plans(connection, before=before, limit=limit + 1)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].id) if len(found) > limit else None
    return answer(page([_json(each) for each in found[:limit]], following))


@router.post("/retention/plans", status_code=201, summary="Make a plan")
async def make_a_plan(request: Request, body: AskedPlan, act: AskedAct) -> Response:
    """Make a plan: what the rules in force would evict to free this many bytes. Nothing is evicted. The plan never
    changes: read its items at the address in the response. `is_enough` says whether it frees what was wanted;
    `hindrance` says why nothing can be evicted.
    """
    rooms = rooms_of(request)
    now = act.now()

    def decide() -> tuple[MadePlan, StoredRules, bool, str]:
        counted = UnitCounter(rooms.catalog, rooms.clock).count_for_a_while()
        with rooms.catalog.read() as connection:
            stored = current_rules(connection)
            wanted = body.bytes
            if wanted is None:
                wanted = headroom.to_free(
                    stored.rules.bounds,
                    headroom.cached_bytes(connection),
                    rooms.volume(),
                    headroom.arrivals(connection, now),
                    now,
                    at_any_use=True,
                )
            why = "" if usable_archives(connection, now) else _NO_ARCHIVE
            return make_plan(connection, stored, wanted=wanted, now=now), stored, counted, why

    made, stored, counted, why = await rooms.read(decide)

    def work(transaction: Connection) -> Response:
        kept = keep_plan(transaction, made, stored, by=act.actor, now=now)
        address = f"/api/v1/retention/plans/{kept.id}"
        said = {**_json(kept), "counted": counted, "hindrance": why or None}
        return answer(said, status=201, headers={"Location": address})

    return (await act.do(work, now)).response


@router.get("/retention/plans/{plan_id}", summary="A plan")
async def get_plan(request: Request, plan_id: Key, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """Return the plan, with a page of the objects to evict, in their order."""
    rooms = rooms_of(request)
    position = position_of(cursor, int)

    def read() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            plan = one_plan(connection, plan_id)
            found = items_of(connection, plan_id, after=position[0] if position else -1, limit=limit + 1)
        following = cursor_of(found[limit - 1][0]) if len(found) > limit else None
        items = [
            {"sop_instance_uid": each.sop_instance_uid, "bytes": each.bytes, "rule": each.rule or None}
            for _, each in found[:limit]
        ]
        return {**_json(plan), **page(items, following)}

    return answer(await rooms.read(read))


@router.post("/retention/plans/{plan_id}/evict", summary="Carry out a plan")
async def carry_out_a_plan(request: Request, plan_id: Key, act: AskedAct) -> Response:
    """Evict what the plan names, about 5,000 objects at once; repeat while `left` is not 0. Each object is checked
    again: one that may no longer be evicted stays, and the ledger says why. Nothing is done twice.
    """
    rooms = rooms_of(request)
    now = act.now()

    def begin(transaction: Connection) -> Response:
        return answer(_json(one_plan(transaction, plan_id)))

    # Recorded before anything is evicted.
    await act.do(begin, now)

    def work() -> dict[str, Any]:
        with rooms.catalog.read() as connection:
            plan = one_plan(connection, plan_id)
        done = carry_out(rooms.catalog, plan_id, rooms.clock, by=act.actor, most=_AT_ONCE)
        rooms.remove_evicted()
        return {**asdict(done), "left": plan.objects - done.evicted - done.kept}

    return answer(await to_thread.run_sync(work, limiter=rooms.threads.long_reads))


@router.get("/retention/evictions", summary="The ledger of evictions, the latest first")
async def list_evictions(
    request: Request,
    plan: Annotated[int | None, Query(ge=0, le=LARGEST, description="Only those of this plan.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List evictions: what, when, by which rule and by whom; what was `kept` although a plan had it, and why; when it
    returned.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    before = position[0] if position else None

    def read() -> list[dict[str, Any]]:
        with rooms.catalog.read() as connection:
            return evictions(connection, plan=plan, before=before, limit=limit + 1)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
    return answer(page(found[:limit], following))


#: The number of objects that one request evicts.
_AT_ONCE = 5000

_NO_ARCHIVE = (
    "Nothing may go: no archive is in use that has proved by a recall that it gives back what it was sent, and whose "
    "promises are not suspended."
)


def _json(plan: Plan) -> dict[str, Any]:
    said = asdict(plan)
    return {
        "plan": said["id"],
        "rules": said["rules"],
        "made_at": said["made_at"],
        "made_by": str(plan.made_by) if plan.made_by else None,
        "wanted": said["wanted"],
        "frees": said["frees"],
        "objects": said["objects"],
        "is_enough": said["frees"] >= said["wanted"],
    }
