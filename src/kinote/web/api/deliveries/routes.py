"""Routes: list, add, read, change, remove; their results and dry runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.delivery.orders.ordering import NotDeliverableError
from kinote.delivery.routing import acts, rows
from kinote.delivery.routing.dry_run import DryRun, dry_run
from kinote.delivery.routing.route import Route
from kinote.web.api.deliveries.route_bodies import RouteBody, route_json
from kinote.web.api.protocol.idempotency import AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.protocol.versions import IfMatch, expected_version, required_version
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import ConflictError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["routes"], route_class=PermittedAPIRoute)


@router.get("/routes", summary="Routes, by name")
async def list_routes(
    request: Request,
    name: Annotated[str, Query(description="Only the route of this name.")] = "",
    ended: Annotated[bool, Query(description="With those that were removed.")] = False,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List the routes, each with the number of its results by outcome."""
    rooms = rooms_of(request)
    position = position_of(cursor, str, int)
    after = (position[0], position[1]) if position else None

    def read() -> tuple[list[Route], dict[int, dict[str, int]]]:
        with rooms.catalog.read() as connection:
            if name:
                found = acts.routes_called(connection, name)
            else:
                found = acts.page_of_routes(connection, after=after, limit=limit + 1, with_ended=ended)
            return found, rows.counts(connection, [each.id for each in found])

    found, counts = await rooms.read(read)
    following = cursor_of(found[limit - 1].name, found[limit - 1].id) if len(found) > limit else None
    items = [{**route_json(each), "results": counts[each.id]} for each in found[:limit]]
    return answer(page(items, following))


@router.post("/routes", status_code=201, summary="Add a route")
async def add_route(body: RouteBody, act: AskedAct) -> Response:
    """Add a route. It acts on what happens from now on."""
    now = act.now()

    def work(transaction: Connection) -> Response:
        added = acts.add_route(transaction, body.wanted(), now, by=act.actor)
        return _one(transaction, added, status=201, headers={"Location": f"/api/v1/routes/{added.id}"})

    return (await act.do(work, now)).response


@router.get("/routes/{route_id}", summary="A route")
async def get_route(request: Request, route_id: Key) -> Response:
    """Return the route, in use or removed. Its version is the ETag."""
    rooms = rooms_of(request)

    def read() -> Response:
        with rooms.catalog.read() as connection:
            return _one(connection, acts.route(connection, route_id))

    return await rooms.read(read)


@router.put("/routes/{route_id}", summary="Change a route")
async def change_route(route_id: Key, body: RouteBody, act: AskedAct, if_match: IfMatch = None) -> Response:
    """Replace the definition of the route. If-Match names the version that was seen; 412 if it has another.

    Routes of the settings file are changed there; here they are 409.
    """
    expected = required_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        changed = acts.change_route(
            transaction, route_id, body.wanted(), now, expected_version=expected, by=act.actor
        )
        return _one(transaction, changed)

    return (await act.do(work, now)).response


@router.delete("/routes/{route_id}", summary="Remove a route")
async def remove_route(route_id: Key, act: AskedAct, if_match: IfMatch = None) -> Response:
    """Remove the route: it no longer acts. What it has ordered is delivered. It can still be read by its number."""
    expected = expected_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        removed = acts.remove_route(transaction, route_id, now, expected_version=expected, by=act.actor)
        return _one(transaction, removed)

    return (await act.do(work, now)).response


@router.get("/routes/{route_id}/results", summary="What a route did")
async def route_results(request: Request, route_id: Key, cursor: Cursor = "", limit: Limit = 100) -> Response:
    """List the results of 90 days, the latest first: what it ordered, would have ordered in training, or could not
    order.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    before = position[0] if position else None

    def read() -> list[dict[str, Any]]:
        with rooms.catalog.read() as connection:
            acts.route(connection, route_id)
            return [dict(row) for row in rows.results(connection, route_id, before=before, limit=limit + 1)]

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1]["id"]) if len(found) > limit else None
    return answer(page(found[:limit], following))


@router.get("/routes/{route_id}/dry-run", summary="What a route would have done")
async def route_dry_run(
    request: Request,
    route_id: Key,
    days: Annotated[int, Query(ge=1, le=365, description="Of how many days.")] = 7,
    cursor: Cursor = "",
) -> Response:
    """List what it would have ordered in the last days, with the conditions as they hold now.

    A page covers 1,000 changes, so it may have few items or none, and others may follow. Each item says how many
    objects would be sent, how many the destination already has, and names the first 100 of them.
    """
    rooms = rooms_of(request)
    position = position_of(cursor, int)
    before = position[0] if position else None
    now = rooms.clock()

    def read() -> DryRun:
        with rooms.catalog.read() as connection:
            route = acts.route(connection, route_id)
            try:
                return dry_run(connection, route, now - timedelta(days=days), now, before=before)
            except NotDeliverableError as error:
                raise ConflictError(str(error)) from error

    found = await rooms.read(read)
    items = [
        {
            "trigger": str(each.occasion.trigger),
            "study_instance_uid": each.occasion.study_instance_uid,
            "note": each.occasion.note,
            "objects": each.objects,
            "there": each.there,
            "named": list(each.named),
        }
        for each in found.items
    ]
    return answer(page(items, None if found.before is None else cursor_of(found.before)))


def _one(
    connection: Connection, route: Route, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    body = {
        **route_json(route),
        "results": rows.counts(connection, [route.id])[route.id],
        "waits": rows.number_waiting(connection, route.id),
    }
    return answer(body, status=status, headers={"ETag": f'"{route.version}"', **(headers or {})})
