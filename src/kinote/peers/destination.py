"""A destination: what is sent to an endpoint of a peer and how, under a name that people choose."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from kinote.peers.peer import EndpointKind


class Content(StrEnum):
    """Which objects of a study are sent."""

    ALL = "all"
    #: Images that notes flag, with their presentation states and key objects.
    KEY_IMAGES = "key images"
    #: Key objects only.
    NOTES = "notes"


#: To which endpoints objects can be sent; HL7 messages carry none.
SENDABLE = (EndpointKind.DIMSE, EndpointKind.DICOMWEB, EndpointKind.FOLDER)

#: Associations, or connections, to one destination at most.
MOST_ASSOCIATIONS = 32


@dataclass(frozen=True, slots=True)
class Policy:
    """What is sent and how.

    `associations` are how many associations or connections are used at once. `rejection_notes` says whether the
    destination understands them: others would show them as key images. `availability` says whether it is told which
    instances of a study are available, whenever that has changed (Instance Availability Notification, PS3.4 Annex R).
    """

    content: Content = Content.ALL
    associations: int = 1
    rejection_notes: bool = False
    availability: bool = False


@dataclass(frozen=True, slots=True)
class WantedDestination:
    """What a destination is to be; `endpoint` is the key of an endpoint of a peer."""

    name: str
    endpoint: int
    description: str = ""
    is_enabled: bool = True
    policy: Policy = field(default_factory=Policy)

    def columns(self) -> dict[str, Any]:
        """Its columns in the table `destination`."""
        return {
            "name": self.name,
            "description": self.description,
            "is_enabled": self.is_enabled,
            "endpoint": self.endpoint,
            "policy": json.dumps(asdict(self.policy)),
        }


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination as it is, with the peer and the address it sends to."""

    id: int
    version: int
    name: str
    origin: str
    description: str
    is_enabled: bool
    endpoint: int
    kind: str
    address: str
    peer: int
    peer_name: str
    policy: Policy
    added_at: str
    changed_at: str
    ended_at: str | None
    #: Why nothing can be sent there now, as a sentence; empty where it can.
    hindrance: str


def destination_of(row: RowMapping) -> Destination:
    """A destination from its row. Parts of a policy that this version does not know are passed over."""
    policy = json.loads(row["policy"])
    known = {
        name: policy[name] for name in ("associations", "rejection_notes", "availability") if name in policy
    }
    return Destination(
        **{name: row[name] for name in _AS_THEY_ARE},
        policy=Policy(Content(policy.get("content", Content.ALL)), **known),
        hindrance=_hindrance(row),
    )


_AS_THEY_ARE = (
    "id",
    "version",
    "name",
    "origin",
    "description",
    "is_enabled",
    "endpoint",
    "kind",
    "address",
    "peer",
    "peer_name",
    "added_at",
    "changed_at",
    "ended_at",
)


def _hindrance(row: RowMapping) -> str:
    if row["ended_at"] is not None:
        return "The destination has been removed."
    if row["peer_ended_at"] is not None:
        return f"The peer {row['peer_name']!r} has been removed."
    if row["endpoint_ended_at"] is not None:
        return f"The peer {row['peer_name']!r} is not reached at {row['address']} any more."
    if not row["is_enabled"]:
        return "The destination is disabled."
    if not row["peer_is_enabled"]:
        return f"The peer {row['peer_name']!r} is disabled."
    return ""
