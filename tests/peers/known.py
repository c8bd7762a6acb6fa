"""Peers for tests that need none in an index."""

from __future__ import annotations

from dataclasses import replace

from kinote.dimse.entity import ApplicationEntity
from kinote.peers.entities import ALL_SERVICES, ServiceName
from kinote.peers.peer import Endpoint, EndpointKind, Origin, Peer, WantedPeer

NOW = "2026-11-30T05:00:00.000000+00:00"


def known(entity: ApplicationEntity, services: frozenset[ServiceName] = ALL_SERVICES) -> Peer:
    """A peer that calls by the title of an entity and from its host, and is called there where it has a port."""
    endpoint = Endpoint(
        EndpointKind.DIMSE, entity.title, entity.host, entity.port, entity.tls, entity.check_name
    )
    return as_peer(
        WantedPeer(
            entity.title,
            ae_titles=(entity.title,),
            hosts=(entity.host,) if entity.host else (),
            services=services,
            endpoints=(endpoint,) if entity.host and entity.port else (),
        )
    )


def as_peer(wanted: WantedPeer) -> Peer:
    """What is wanted as a peer."""
    return Peer(
        id=1,
        version=1,
        name=wanted.name,
        origin=Origin.PEOPLE,
        description=wanted.description,
        is_enabled=wanted.is_enabled,
        ae_titles=wanted.calling_titles,
        hosts=wanted.calling_hosts,
        certificates=wanted.certificates,
        services=wanted.services,
        rights=wanted.rights,
        added_at=NOW,
        changed_at=NOW,
        ended_at=None,
        endpoints=tuple(
            replace(endpoint, id=number) for number, endpoint in enumerate(wanted.endpoints, start=1)
        ),
    )
