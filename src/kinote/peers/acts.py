"""Adding, changing and removing peers, within the caller's transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog.known_systems import archive_rows, destination_rows, peer_rows
from kinote.catalog.schema.timestamps import timestamp
from kinote.peers import lists
from kinote.peers.checks import faults_of_count, faults_of_peer
from kinote.peers.peer import Endpoint, Origin, Peer, WantedPeer, endpoint_columns
from kinote.peers.refusals import Fault, NotManagedHereError, PeerVersionError, RefusedPeerError
from kinote.security.actors import Actor

log = logging.getLogger(__name__)


def add_peer(
    transaction: Connection, wanted: WantedPeer, now: datetime, *, hosts_needed: bool, by: Actor
) -> Peer:
    """Add a peer and return it. Raises `RefusedPeerError` if it is not valid.

    `hosts_needed` is as in `faults_of_peer`.
    """
    _refuse_too_many(wanted)
    peer_rows.begin_change(transaction)
    faults = faults_of_peer(wanted, lists.peers_in_use(transaction), hosts_needed=hosts_needed)
    faults += [
        Fault(f"endpoints[{number}].id", "The endpoints of a new peer have no id yet: leave it out.")
        for number, endpoint in enumerate(wanted.endpoints)
        if endpoint.id is not None
    ]
    if faults:
        raise RefusedPeerError(faults)
    added = lists.peer(transaction, write_new(transaction, wanted, Origin.PEOPLE, now))
    _log_act("added", added, by)
    return added


def change_peer(
    transaction: Connection,
    peer_id: int,
    wanted: WantedPeer,
    now: datetime,
    *,
    expected_version: int | None,
    hosts_needed: bool,
    by: Actor,
) -> Peer:
    """Replace the definition of a peer and return the result. `with_keys` tells which endpoints stay the same.

    `expected_version` is the version that the caller has seen; None skips the check. Raises `PeerNotFoundError`,
    `PeerVersionError`, `NotManagedHereError` if it comes from the settings or a destination uses a removed endpoint,
    and `RefusedPeerError` if the new definition is not valid.
    """
    _refuse_too_many(wanted)
    peer_rows.begin_change(transaction)
    current = managed(transaction, peer_id, expected_version)
    others = [each for each in lists.peers_in_use(transaction) if each.id != peer_id]
    wanted, faults = with_keys(wanted, current.endpoints)
    faults += faults_of_peer(wanted, others, hosts_needed=hosts_needed)
    if faults:
        raise RefusedPeerError(faults)
    _refuse_while_needed(transaction, _dropped(wanted, current))
    write_changed(transaction, current, wanted, now)
    _log_act("changed", current, by)
    return lists.peer(transaction, peer_id)


def remove_peer(
    transaction: Connection, peer_id: int, now: datetime, *, expected_version: int | None, by: Actor
) -> Peer:
    """End a peer: it may no longer call us and is no longer called. Its row stays for the rows that refer to it.

    Returns the ended peer. Raises `PeerNotFoundError`, `PeerVersionError` and `NotManagedHereError`, as `change_peer`.
    """
    peer_rows.begin_change(transaction)
    current = managed(transaction, peer_id, expected_version)
    _refuse_while_needed(transaction, current.endpoints)
    if archive_rows.objects_are_only_at(transaction, peer_id):
        raise NotManagedHereError(
            f"The archive {current.name!r} has objects whose bytes are not here any more. They would be lost with it."
        )
    end(transaction, current, now)
    _log_act("removed", current, by)
    return lists.peer(transaction, peer_id)


def _refuse_too_many(wanted: WantedPeer) -> None:
    faults = list(faults_of_count(wanted))
    if faults:
        raise RefusedPeerError(faults)


def _log_act(act: str, peer: Peer, by: Actor) -> None:
    log.info("A peer is being %s", act, extra={"peer": peer.name, **by.columns("by")})


def managed(transaction: Connection, peer_id: int, expected_version: int | None) -> Peer:
    """Return a peer that may be changed here. Raises the errors of `change_peer` if it may not."""
    current = lists.peer(transaction, peer_id)
    if current.origin == Origin.SETTINGS:
        raise NotManagedHereError(
            f"The peer {current.name!r} comes from the settings of the server. Change or remove it there "
            "([[entities]] in kinote.toml, or KINOTE_ENTITIES), and start the server again."
        )
    if current.ended_at is not None:
        raise NotManagedHereError(f"The peer {current.name!r} has been removed. Add it again.")
    if expected_version not in (None, current.version):
        raise PeerVersionError(
            f"The peer {current.name!r} has the version {current.version} now, not {expected_version}. "
            "Read it again and repeat the change."
        )
    return current


def with_keys(wanted: WantedPeer, current: Sequence[Endpoint]) -> tuple[WantedPeer, list[Fault]]:
    """Give the endpoints of a new definition the keys of the current endpoints that they replace.

    An endpoint is matched by its key if it has one, else by kind and address, else by kind if each side has only one
    of that kind. So destinations keep working when an endpoint gets a new address. Also returns faults of given keys.
    """
    known = {endpoint.id: endpoint for endpoint in current}
    faults = []
    taken: set[int | None] = set()
    for number, endpoint in enumerate(wanted.endpoints):
        if endpoint.id is None:
            continue
        if endpoint.id not in known or endpoint.id in taken:
            message = f"The peer has no endpoint {endpoint.id}, or it is listed twice."
            faults.append(Fault(f"endpoints[{number}].id", message))
        elif known[endpoint.id].kind is not endpoint.kind:
            message = "The kind of an endpoint cannot change: leave its id out."
            faults.append(Fault(f"endpoints[{number}].kind", message))
        taken.add(endpoint.id)
    endpoints = list(wanted.endpoints)
    for is_same in (_has_same_address, _is_of_same_kind):
        for number, endpoint in enumerate(endpoints):
            if endpoint.id is not None:
                continue
            without_key = [each for each in endpoints if each.id is None]
            free = [each for each in current if each.id not in taken]
            found = [each for each in free if is_same(endpoint, each)]
            rivals = [each for each in without_key if is_same(endpoint, each)]
            if len(found) == len(rivals) == 1:
                endpoints[number] = replace(endpoint, id=found[0].id)
                taken.add(found[0].id)
    return replace(wanted, endpoints=tuple(endpoints)), faults


def _has_same_address(one: Endpoint, other: Endpoint) -> bool:
    return (one.kind, one.address) == (other.kind, other.address)


def _is_of_same_kind(one: Endpoint, other: Endpoint) -> bool:
    return one.kind is other.kind


def write_new(transaction: Connection, wanted: WantedPeer, origin: Origin, now: datetime) -> int:
    """Write a new peer with its endpoints and return its key."""
    moment = timestamp(now)
    columns = {**wanted.columns(), "origin": str(origin), "added_at": moment, "changed_at": moment}
    peer_id = peer_rows.insert_peer(transaction, columns)
    for endpoint in wanted.endpoints:
        peer_rows.insert_endpoint(transaction, {**endpoint_columns(endpoint), "peer": peer_id})
    return peer_id


def write_changed(
    transaction: Connection, current: Peer, wanted: WantedPeer, now: datetime, origin: str | None = None
) -> None:
    """Write the new definition of a peer and make it active. Endpoints that are no longer listed end.

    The endpoints in `wanted` have the keys that `with_keys` gives them.
    """
    if _reached(wanted.endpoints) != _reached(current.endpoints):
        # Another system may answer from now on.
        archive_rows.forget_proof(transaction, current.id)
    moment = timestamp(now)
    columns = {
        **wanted.columns(),
        "origin": origin or current.origin,
        "changed_at": moment,
        "ended_at": None,
    }
    peer_rows.update_peer(transaction, current.id, columns)
    # Removed endpoints first, and temporary addresses for the others: an address may move between endpoints.
    for dropped in _dropped(wanted, current):
        assert dropped.id is not None
        peer_rows.update_endpoint(transaction, dropped.id, {"ended_at": moment})
    kept = [each for each in wanted.endpoints if each.id is not None]
    for endpoint in kept:
        assert endpoint.id is not None
        peer_rows.update_endpoint(transaction, endpoint.id, {"address": f"on its way to {endpoint.id}"})
    for endpoint in kept:
        assert endpoint.id is not None
        peer_rows.update_endpoint(transaction, endpoint.id, {**endpoint_columns(endpoint), "ended_at": None})
    for endpoint in wanted.endpoints:
        if endpoint.id is None:
            peer_rows.insert_endpoint(transaction, {**endpoint_columns(endpoint), "peer": current.id})


def end(transaction: Connection, current: Peer, now: datetime) -> None:
    """End a peer and its endpoints."""
    moment = timestamp(now)
    peer_rows.update_peer(transaction, current.id, {"ended_at": moment, "changed_at": moment})
    for endpoint in current.endpoints:
        assert endpoint.id is not None
        peer_rows.update_endpoint(transaction, endpoint.id, {"ended_at": moment})


def _reached(endpoints: Sequence[Endpoint]) -> set[object]:
    return {(endpoint.kind, endpoint.address) for endpoint in endpoints}


def _dropped(wanted: WantedPeer, current: Peer) -> list[Endpoint]:
    kept = {endpoint.id for endpoint in wanted.endpoints}
    return [endpoint for endpoint in current.endpoints if endpoint.id not in kept]


def _refuse_while_needed(transaction: Connection, dropped: Sequence[Endpoint]) -> None:
    keys = [endpoint.id for endpoint in dropped if endpoint.id is not None]
    needed = destination_rows.names_of_destinations(transaction, keys)
    if needed:
        raise NotManagedHereError(
            f"The destinations {', '.join(map(repr, needed))} send to it. Change or remove these first."
        )
