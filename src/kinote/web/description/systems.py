"""The shapes of responses about peers and destinations.

As in `shapes`, they are only used for the description.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from kinote.web.description.shapes import Page


class Endpoint(BaseModel):
    """An endpoint of a peer, with the fields of its kind."""

    model_config = {"extra": "allow"}

    id: int
    kind: str
    address: str


class Peer(BaseModel):
    """A system that the server knows."""

    id: int
    version: int
    name: str
    origin: str
    description: str
    enabled: bool
    ae_titles: list[str]
    hosts: list[str]
    certificates: list[str]
    services: list[str]
    rights: list[str]
    endpoints: list[Endpoint]
    added: str
    changed: str
    ended: str | None


class PeerOfDestination(BaseModel):
    """The peer of a destination."""

    id: int
    name: str


class Destination(BaseModel):
    """A destination for objects."""

    id: int
    version: int
    name: str
    origin: str
    description: str
    enabled: bool
    endpoint: int
    kind: str
    address: str
    peer: PeerOfDestination
    policy: dict[str, Any]
    hindrance: str | None
    added: str
    changed: str
    ended: str | None


SYSTEMS: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/peers"): Page[Peer],
    ("post", "/api/v1/peers"): Peer,
    ("get", "/api/v1/peers/{peer_id}"): Peer,
    ("put", "/api/v1/peers/{peer_id}"): Peer,
    ("delete", "/api/v1/peers/{peer_id}"): Peer,
    ("get", "/api/v1/destinations"): Page[Destination],
    ("post", "/api/v1/destinations"): Destination,
    ("get", "/api/v1/destinations/{destination_id}"): Destination,
    ("put", "/api/v1/destinations/{destination_id}"): Destination,
    ("delete", "/api/v1/destinations/{destination_id}"): Destination,
}
