"""Peers for tests that need none in an index."""

from __future__ import annotations

from kinote.dimse.entity import ApplicationEntity
from kinote.peers.entities import ALL_SERVICES, ServiceName
from kinote.peers.peer import Endpoint, EndpointKind, Origin, Peer

NOW = "2026-11-30T05:00:00.000000+00:00"


def known(entity: ApplicationEntity, services: frozenset[ServiceName] = ALL_SERVICES) -> Peer:
    """A peer that calls by the title of an entity and from its host, and is called there where it has a port."""
    endpoints: tuple[Endpoint, ...] = ()
    if entity.host and entity.port:
        endpoints = (
            Endpoint(
                EndpointKind.DIMSE,
                entity.title,
                entity.host,
                entity.port,
                entity.tls,
                entity.check_name,
                id=1,
            ),
        )
    return Peer(
        id=1,
        version=1,
        name=entity.title,
        origin=Origin.PEOPLE,
        description="",
        is_enabled=True,
        ae_titles=(entity.title,),
        hosts=(entity.host,) if entity.host else (),
        services=services,
        rights=frozenset(),
        added_at=NOW,
        changed_at=NOW,
        ended_at=None,
        endpoints=endpoints,
    )
