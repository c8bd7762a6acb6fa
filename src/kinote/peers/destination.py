"""Destinations: an endpoint of a peer, and what is sent there and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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


class WithoutNotes(StrEnum):
    """What a peer gets that pulls a study of which no note flags anything, and gets only what notes flag."""

    ALL = "all"
    NOTHING = "nothing"


#: The kinds of endpoint to which objects can be sent.
SENDABLE = (EndpointKind.DIMSE, EndpointKind.DICOMWEB, EndpointKind.FOLDER)

#: Maximum associations or connections to one destination.
MOST_ASSOCIATIONS = 32

#: The highest speed limit: 10 GB a second, which is more than any network has.
MOST_BYTES_PER_SECOND = 10**10


@dataclass(frozen=True, slots=True)
class Policy:
    """What is sent and how.

    `associations` is the number of associations or connections used at the same time. `rejection_notes` tells whether
    the destination understands rejection notes; a system that does not would show them as key images. `availability`
    tells whether it is told which instances of a study are available, each time that this changes (Instance
    Availability Notification, PS3.4 Annex R).

    `transfer_syntaxes` are the UIDs of those that may be used; empty for any. `bytes_per_second` is the speed limit,
    0 for none. `hours` are those in which deliveries go out, `HH:MM-HH:MM` in the server's time zone; empty for any
    time. From `downtime_from` to `downtime_until` (ISO 8601, with offset) deliveries are held, because of
    `downtime_why`. `queried` tells whether it is asked after a delivery what it has.

    `pulled` is what its peer gets of whole studies and patients that it retrieves by C-MOVE or C-GET, and
    `pulled_without_notes` what it gets of a study that has nothing of that.
    """

    content: Content = Content.ALL
    associations: int = 1
    rejection_notes: bool = False
    availability: bool = False
    transfer_syntaxes: tuple[str, ...] = ()
    bytes_per_second: int = 0
    hours: str = ""
    downtime_from: str = ""
    downtime_until: str = ""
    downtime_why: str = ""
    queried: bool = True
    pulled: Content = Content.ALL
    pulled_without_notes: WithoutNotes = WithoutNotes.ALL


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
    #: Whether nothing can ever be sent there again.
    has_ended: bool = False


def destination_of(row: RowMapping) -> Destination:
    """Make a destination from its row. Parts of a policy that this version does not know are ignored."""
    return Destination(
        **{name: row[name] for name in _COLUMNS},
        policy=policy_of(json.loads(row["policy"])),
        hindrance=_hindrance(row),
        has_ended=any(row[name] is not None for name in ("ended_at", "peer_ended_at", "endpoint_ended_at")),
    )


def policy_of(written: Mapping[str, Any]) -> Policy:
    """Make a policy from the names of its parts. Those that this version does not know are ignored."""
    known = {each.name: written[each.name] for each in fields(Policy) if each.name in written}
    known["content"] = Content(known.get("content", Content.ALL))
    known["pulled"] = Content(known.get("pulled", Content.ALL))
    known["pulled_without_notes"] = WithoutNotes(known.get("pulled_without_notes", WithoutNotes.ALL))
    known["transfer_syntaxes"] = tuple(known.get("transfer_syntaxes", ()))
    return Policy(**known)


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
