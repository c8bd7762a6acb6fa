"""Destinations: list, add, read, change, remove."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.catalog.known_systems import peer_rows
from kinote.dicom.dictionary import sop_classes, transfer_syntaxes
from kinote.dimse.errors import DimseError
from kinote.peers import destination_acts as acts
from kinote.peers.destination import Destination
from kinote.peers.peer import EndpointKind, endpoint_of
from kinote.peers.reaching.accepting import Accepted
from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.keys import Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.protocol.versions import IfMatch, expected_version, required_version
from kinote.web.api.systems.bodies import DestinationBody
from kinote.web.problems import ConflictError
from kinote.web.requests.permitted import PermittedAPIRoute
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["destinations"], route_class=PermittedAPIRoute)


@router.get("/destinations", summary="Destinations, by name")
async def list_destinations(
    request: Request,
    name: Annotated[str, Query(description="Only the destination of this name.")] = "",
    ended: Annotated[bool, Query(description="With those that were removed.")] = False,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List destinations, each with its policy, its peer and the address."""
    rooms = rooms_of(request)
    position = position_of(cursor, str, int)
    after = (position[0], position[1]) if position else None

    def read() -> list[Destination]:
        with rooms.catalog.read() as connection:
            if name:
                return acts.destinations_called(connection, name)
            return acts.page_of_destinations(connection, after=after, limit=limit + 1, with_ended=ended)

    found = await rooms.read(read)
    following = cursor_of(found[limit - 1].name, found[limit - 1].id) if len(found) > limit else None
    return answer(page([_json(each) for each in found[:limit]], following))


@router.post("/destinations", status_code=201, summary="Add a destination")
async def add_destination(body: DestinationBody, act: AskedAct) -> Response:
    """Add a destination: an endpoint of a peer, with what is sent there and how."""
    now = act.now()

    def work(transaction: Connection) -> Response:
        added = acts.add_destination(transaction, body.wanted(), now, by=act.actor)
        return _one(added, status=201, headers={"Location": f"/api/v1/destinations/{added.id}"})

    return (await act.do(work, now)).response


@router.get("/destinations/{destination_id}", summary="A destination")
async def get_destination(request: Request, destination_id: Key) -> Response:
    """Return the destination, in use or removed. Its version is the ETag."""
    rooms = rooms_of(request)

    def read() -> Destination:
        with rooms.catalog.read() as connection:
            return acts.destination(connection, destination_id)

    return _one(await rooms.read(read))


@router.put("/destinations/{destination_id}", summary="Change a destination")
async def change_destination(
    destination_id: Key, body: DestinationBody, act: AskedAct, if_match: IfMatch = None
) -> Response:
    """Replace the definition of the destination. If-Match names the version that was seen; 412 if it has another.

    Destinations of the settings file are changed there; here they are 409.
    """
    expected = required_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        changed = acts.change_destination(
            transaction, destination_id, body.wanted(), now, expected_version=expected, by=act.actor
        )
        return _one(changed)

    return (await act.do(work, now)).response


@router.delete("/destinations/{destination_id}", summary="Remove a destination")
async def remove_destination(destination_id: Key, act: AskedAct, if_match: IfMatch = None) -> Response:
    """Take the destination out of use. It can still be read by its number; its name is free again."""
    expected = expected_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        return _one(
            acts.remove_destination(transaction, destination_id, now, expected_version=expected, by=act.actor)
        )

    return (await act.do(work, now)).response


@router.post("/destinations/{destination_id}/test", summary="See what a destination accepts")
async def test_destination(request: Request, destination_id: Key, act: AskedAct) -> Response:
    """Call the destination, as `POST peers/{peer_id}/echo` does. To a DIMSE endpoint everything is then proposed:
    `accepted` says which storage classes and transfer syntaxes it accepts, and whether it supports queries and storage
    commitment.

    Nothing is stored there. `accepted` is null if it does not say.
    """
    rooms = rooms_of(request)
    now = act.now()

    def called() -> Answered:
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        with rooms.catalog.read() as connection:
            to = acts.destination(connection, destination_id)
            if to.has_ended:
                raise ConflictError(f"The destination {to.name!r} can be called no more. {to.hindrance}")
            row = peer_rows.endpoint_row(connection, to.endpoint)
        assert row is not None
        endpoint = endpoint_of(row)
        found = {**asdict(rooms.probe(to.name, endpoint)), "accepted": None}
        if found["answers"] and endpoint.kind is EndpointKind.DIMSE:
            try:
                found["accepted"] = _accepted(rooms.accepted_by(endpoint))
            except DimseError as error:
                found["sentence"] = f"{found['sentence']} It does not say what it accepts: {error}."
        return rooms.catalog.write(act.once(lambda transaction: answer(found), now))

    return (await to_thread.run_sync(called, limiter=rooms.threads.calls)).response


def _accepted(found: Accepted) -> dict[str, Any]:
    return {
        "classes": [{"uid": uid, "name": sop_classes.name(uid)} for uid in found.classes],
        "transfer_syntaxes": [
            {"uid": uid, "name": transfer_syntaxes.lookup(uid).name} for uid in found.transfer_syntaxes
        ],
        "transfer_syntaxes_of": found.syntaxes_of,
        "queries": found.queries,
        "commitment": found.commitment,
    }


def _one(destination: Destination, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    tag = f'"{destination.version}"'
    return answer(_json(destination), status=status, headers={"ETag": tag, **(headers or {})})


def _json(destination: Destination) -> dict[str, Any]:
    """Return JSON. `hindrance` says why nothing can be sent there now, null if it can."""
    return {
        "id": destination.id,
        "version": destination.version,
        "name": destination.name,
        "origin": destination.origin,
        "description": destination.description,
        "enabled": destination.is_enabled,
        "endpoint": destination.endpoint,
        "kind": destination.kind,
        "address": destination.address,
        "peer": {"id": destination.peer, "name": destination.peer_name},
        "policy": asdict(destination.policy),
        "hindrance": destination.hindrance or None,
        "added": destination.added_at,
        "changed": destination.changed_at,
        "ended": destination.ended_at,
    }
