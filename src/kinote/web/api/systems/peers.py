"""Peers: list, add, read, change, remove; and test whether one responds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from kinote.peers import acts, lists
from kinote.peers.entities import ServiceName
from kinote.peers.peer import Endpoint, EndpointKind, Peer, PeerRight
from kinote.web.api.protocol.idempotency import Answered, AskedAct
from kinote.web.api.protocol.keys import LARGEST, Key
from kinote.web.api.protocol.pages import Cursor, Limit, answer, cursor_of, page, position_of
from kinote.web.api.protocol.versions import IfMatch, expected_version, required_version
from kinote.web.api.systems.bodies import PeerBody
from kinote.web.api.systems.taking_up import take_up
from kinote.web.permitted import PermittedAPIRoute
from kinote.web.problems import ConflictError, UnknownResourceError
from kinote.web.rooms import rooms_of

router = APIRouter(tags=["peers"], route_class=PermittedAPIRoute)

#: The endpoint that is called if none is named: the first of these kinds.
_ASKED_FIRST = (EndpointKind.DIMSE, EndpointKind.DICOMWEB, EndpointKind.MLLP, EndpointKind.FOLDER)


@router.get("/peers", summary="Peers, by name")
async def list_peers(
    request: Request,
    known_as: Annotated[
        str, Query(description="Only the peer of this name, or else the one with this AE title.")
    ] = "",
    ended: Annotated[bool, Query(description="With those that were removed.")] = False,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Response:
    """List the peers, each with its endpoints."""
    rooms = rooms_of(request)
    if known_as:
        found = rooms.peers.known.find(known_as)
        return answer(page([] if found is None else [_json(found)]))
    position = position_of(cursor, str, int)
    after = (position[0], position[1]) if position else None

    def read() -> list[Peer]:
        with rooms.catalog.read() as connection:
            return lists.page_of_peers(connection, after=after, limit=limit + 1, with_ended=ended)

    peers = await rooms.read(read)
    following = cursor_of(peers[limit - 1].name, peers[limit - 1].id) if len(peers) > limit else None
    return answer(page([_json(peer) for peer in peers[:limit]], following))


@router.post("/peers", status_code=201, summary="Add a peer")
async def add_peer(request: Request, body: PeerBody, act: AskedAct) -> Response:
    """Add a peer. It is admitted and can be called at once, without a restart."""
    rooms = rooms_of(request)
    now = act.now()

    def work(transaction: Connection) -> Response:
        added = acts.add_peer(
            transaction, body.wanted(), now, hosts_needed=rooms.options.hosts_needed, by=act.actor
        )
        return _one(added, status=201, headers={"Location": f"/api/v1/peers/{added.id}"})

    answered = await act.do(work, now)
    await take_up(rooms)
    return answered.response


@router.get("/peers/{peer_id}", summary="A peer")
async def get_peer(request: Request, peer_id: Key) -> Response:
    """Return the peer, in use or removed. Its version is the ETag."""
    rooms = rooms_of(request)

    def read() -> Peer:
        with rooms.catalog.read() as connection:
            return lists.peer(connection, peer_id)

    return _one(await rooms.read(read))


@router.put("/peers/{peer_id}", summary="Change a peer")
async def change_peer(
    request: Request, peer_id: Key, body: PeerBody, act: AskedAct, if_match: IfMatch = None
) -> Response:
    """Replace the definition of the peer. If-Match names the version that was seen; 412 if it has another.

    Give endpoints with their `id`: they stay the same endpoints when they are changed. Peers of the settings file are
    changed there; here they are 409.
    """
    rooms = rooms_of(request)
    expected = required_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        changed = acts.change_peer(
            transaction,
            peer_id,
            body.wanted(),
            now,
            expected_version=expected,
            hosts_needed=rooms.options.hosts_needed,
            by=act.actor,
        )
        return _one(changed)

    answered = await act.do(work, now)
    await take_up(rooms)
    return answered.response


@router.delete("/peers/{peer_id}", summary="Remove a peer")
async def remove_peer(request: Request, peer_id: Key, act: AskedAct, if_match: IfMatch = None) -> Response:
    """Take the peer out of use. It can still be read by its number; its name and AE titles are free again."""
    rooms = rooms_of(request)
    expected = expected_version(if_match)
    now = act.now()

    def work(transaction: Connection) -> Response:
        return _one(acts.remove_peer(transaction, peer_id, now, expected_version=expected, by=act.actor))

    answered = await act.do(work, now)
    await take_up(rooms)
    return answered.response


@router.post("/peers/{peer_id}/echo", summary="See whether a peer answers")
async def echo(
    request: Request,
    peer_id: Key,
    act: AskedAct,
    endpoint: Annotated[
        int | None, Query(ge=0, le=LARGEST, description="Which of its endpoints; otherwise the first.")
    ] = None,
) -> Response:
    """Call the peer: C-ECHO, a search by QIDO-RS for one study, a TCP connection, or a look at the folder.

    `answers` says whether that succeeded, `sentence` describes the result.
    """
    rooms = rooms_of(request)
    now = act.now()

    def called() -> Answered:
        earlier = act.earlier(now)
        if earlier is not None:
            return earlier
        with rooms.catalog.read() as connection:
            peer = lists.peer(connection, peer_id)
        asked = _asked(peer, endpoint)
        found = {**asdict(rooms.probe(peer.name, asked)), "endpoint": asked.id}
        return rooms.catalog.write(act.once(lambda transaction: answer(found), now))

    return (await to_thread.run_sync(called, limiter=rooms.threads.calls)).response


def _asked(peer: Peer, endpoint: int | None) -> Endpoint:
    if peer.ended_at is not None:
        raise ConflictError(f"The peer {peer.name!r} has been removed.")
    if endpoint is None:
        first = peer.endpoint(*_ASKED_FIRST)
        if first is None:
            raise ConflictError(f"The peer {peer.name!r} has no endpoint: it only calls.")
        return first
    named = next((each for each in peer.endpoints if each.id == endpoint), None)
    if named is None:
        raise UnknownResourceError(f"The peer {peer.name!r} has no endpoint {endpoint}.")
    return named


def _one(peer: Peer, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return answer(_json(peer), status=status, headers={"ETag": f'"{peer.version}"', **(headers or {})})


def _json(peer: Peer) -> dict[str, Any]:
    return {
        "id": peer.id,
        "version": peer.version,
        "name": peer.name,
        "origin": peer.origin,
        "description": peer.description,
        "enabled": peer.is_enabled,
        "ae_titles": list(peer.ae_titles),
        "hosts": list(peer.hosts),
        "certificates": list(peer.certificates),
        "services": [str(service) for service in ServiceName if service in peer.services],
        "rights": [str(right) for right in PeerRight if right in peer.rights],
        "endpoints": [_endpoint(endpoint) for endpoint in peer.endpoints],
        "added": peer.added_at,
        "changed": peer.changed_at,
        "ended": peer.ended_at,
    }


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint with the fields of its kind, and its `address` as people write it."""
    parts = {name: value for name, value in asdict(endpoint).items() if value is not None}
    if endpoint.port is None:
        del parts["tls"], parts["check_name"]
    return {"id": endpoint.id, "kind": str(endpoint.kind), "address": endpoint.address, **parts}
