"""Destinations: an endpoint of a peer, and what is sent there and how."""

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


#: The kinds of endpoint to which objects can be sent.
SENDABLE = (EndpointKind.DIMSE, EndpointKind.DICOMWEB, EndpointKind.FOLDER)

#: Maximum associations or connections to one destination.
MOST_ASSOCIATIONS = 32


@dataclass(frozen=True, slots=True)
class Policy:
    """What is sent and how.

    `associations` is the number of associations or connections used at the same time. `rejection_notes` tells whether
    the destination understands rejection notes; a system that does not would show them as key images. `availability`
    tells whether it is told which instances of a study are available, each time that this changes (Instance
    Availability Notification, PS3.4 Annex R).
    """

    content: Content = Content.ALL
    associations: int = 1
    rejection_notes: bool = False
    availability: bool = False


@dataclass(frozen=True, slots=True)
class WantedDestination:
    """The definition of a destination. `endpoint` is the key of an endpoint of a peer."""

    name: str
    endpoint: int
    description: str = ""
    is_enabled: bool = True
    policy: Policy = field(default_factory=Policy)

    def columns(self) -> dict[str, Any]:
        """Return the columns for the table `destination`."""
        return {
            "name": self.name,
            "description": self.description,
            "is_enabled": self.is_enabled,
            "endpoint": self.endpoint,
            "policy": json.dumps(asdict(self.policy)),
        }


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination as stored, with its peer and the address it sends to."""

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
    #: Why nothing can be sent there now, as a sentence; empty if it can.
    hindrance: str


def destination_of(row: RowMapping) -> Destination:
    """Make a destination from its row. Parts of a policy that this version does not know are ignored."""
    policy = json.loads(row["policy"])
    known = {
        name: policy[name] for name in ("associations", "rejection_notes", "availability") if name in policy
    }
    return Destination(
        **{name: row[name] for name in _COLUMNS},
        policy=Policy(Content(policy.get("content", Content.ALL)), **known),
        hindrance=_hindrance(row),
    )


_COLUMNS = (
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
        return f"The peer {row['peer_name']!r} can no longer be reached at {row['address']}."
    if not row["is_enabled"]:
        return "The destination is disabled."
    if not row["peer_is_enabled"]:
        return f"The peer {row['peer_name']!r} is disabled."
    return ""
