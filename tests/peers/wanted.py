"""Peers and destinations as tests want them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog
from kinote.peers import acts
from kinote.peers.destination import Policy, WantedDestination
from kinote.peers.peer import Endpoint, EndpointKind, Peer, WantedPeer
from tests.actors import ROE
from tests.clock import clock


def dimse(
    title: str = "ARCHIVE", host: str = "10.1.2.3", port: int = 104, key: int | None = None
) -> Endpoint:
    return Endpoint(EndpointKind.DIMSE, title, host, port, id=key)


def archive(name: str = "Archive", *endpoints: Endpoint) -> WantedPeer:
    return WantedPeer(name, endpoints=endpoints or (dimse(),))


def added(catalog: Catalog, wanted: WantedPeer) -> Peer:
    def add(transaction: Connection) -> Peer:
        return acts.add_peer(transaction, wanted, clock(), hosts_needed=False, by=ROE)

    return catalog.write(add)


def changed(catalog: Catalog, peer: Peer, wanted: WantedPeer) -> Peer:
    def change(transaction: Connection) -> Peer:
        return acts.change_peer(
            transaction, peer.id, wanted, clock(), expected_version=peer.version, hosts_needed=False, by=ROE
        )

    return catalog.write(change)


def removed(catalog: Catalog, peer: Peer, seconds: float = 0) -> Peer:
    def remove(transaction: Connection) -> Peer:
        now = clock() + timedelta(seconds=seconds)
        return acts.remove_peer(transaction, peer.id, now, expected_version=None, by=ROE)

    return catalog.write(remove)


def sending_to(endpoint: Endpoint, name: str = "Station", policy: Policy | None = None) -> WantedDestination:
    assert endpoint.id is not None
    return WantedDestination(name, endpoint.id, policy=policy or Policy())
