"""Evidence that archives hold instances, and whether it counts (law 9).

An archive has acknowledged an instance when it answered our own transmission of the bytes with success; it has
committed when it also answered a request for storage commitment. Only the latter counts, and only

- for bytes with the digest that was acknowledged, because a commitment names class and UID alone (PS3.4 J.3.2.1),
- while it is no older than the archive's policy allows,
- while the archive's promises are not suspended, and
- once a recall has proved that the archive gives back what it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import archive, instance, location, peer
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.guards import hold
from kinote.catalog.sql.statements import LookUp
from kinote.lifecycle.guards import IS_PROMISED, WORD_COUNTS
from kinote.peers.archive_policy import ArchivePolicy, policy_of


class Evidence(StrEnum):
    """Kinds of evidence, the weaker first."""

    ACKNOWLEDGED = "acknowledged"
    COMMITTED = "committed"


class Proof(StrEnum):
    """What the first recall from an archive has shown."""

    NONE = ""
    #: It gives back what it was sent, apart from the coercions that are allowed.
    PROVED = "proved"
    #: It has changed or lost something else.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is in use."""

    peer: int
    name: str
    version: int
    policy: ArchivePolicy
    added_at: str
    is_enabled: bool
    suspended_at: str
    suspended_because: str
    proof: Proof
    proof_at: str
    proof_report: dict[str, object]

    @property
    def hindrance(self) -> str:
        """Why nothing may be evicted on its word, as a sentence; "" if something may."""
        broken = next((each.name for each in WORD_COUNTS if not each.holds(self)), "")
        if broken == "its promises are not suspended":
            return f"Its promises are suspended since {self.suspended_at}: {self.suspended_because}"
        if broken == "a recall has proved it" and self.proof is Proof.REFUSED:
            return "Its first recall has shown that it does not give back what it was sent."
        return _HINDRANCES[broken] if broken else ""


_HINDRANCES = {
    "a recall has proved it": "No recall has proved yet that it gives back what it was sent.",
    "it may be asked": "The peer is disabled or removed.",
}


def archives_in_use(connection: Connection) -> list[Archive]:
    """Return all archives in use, by name."""
    rows = connection.execute(
        select(archive, peer.c.name, peer.c.is_enabled, peer.c.ended_at.label("peer_ended_at"))
        .join(peer, peer.c.id == archive.c.peer)
        .where(archive.c.ended_at.is_(None))
        .order_by(peer.c.name, peer.c.id)
    )
    return [
        Archive(
            row.peer,
            row.name,
            row.version,
            policy_of(json.loads(row.policy)),
            row.added_at,
            bool(row.is_enabled) and row.peer_ended_at is None,
            row.suspended_at,
            row.suspended_because,
            Proof(row.proof),
            row.proof_at,
            json.loads(row.proof_report),
        )
        for row in rows
    ]


_COMMITTED = LookUp(
    select(
        location.c.instance,
        location.c.archive,
        location.c.evidence,
        location.c.at,
        location.c.digest,
        instance.c.digest.label("present_digest"),
    )
    .join(instance, instance.c.id == location.c.instance)
    .where(location.c.evidence == str(Evidence.COMMITTED)),
    location.c.instance,
)


@dataclass(frozen=True, slots=True)
class _Present:
    """What an instance is now."""

    digest: str | None


def kept_by_archives(connection: Connection, instances: Sequence[int], now: datetime) -> set[int]:
    """Return those of the instances for which the word of an archive counts."""
    return set(archives_keeping(connection, instances, now))


def archives_keeping(
    connection: Connection, instances: Sequence[int], now: datetime
) -> dict[int, list[Archive]]:
    """Return the archives whose commitment counts, for each of the instances that has any."""
    usable = {each.peer: each for each in archives_in_use(connection) if not each.hindrance}
    if not usable:
        return {}
    oldest = {key: timestamp(now - each.policy.renewal) for key, each in usable.items()}
    found: dict[int, list[Archive]] = {}
    for row in _COMMITTED(connection, instances):
        if row.archive not in usable or not row.digest:
            continue
        if hold(IS_PROMISED, row, _Present(row.present_digest), oldest[row.archive]):
            found.setdefault(row.instance, []).append(usable[row.archive])
    return found


def kept_at(connection: Connection, key: int) -> list[str]:
    """Say in sentences which archives have an instance, and by what evidence."""
    rows = connection.execute(
        select(peer.c.name, location.c.evidence, location.c.at)
        .join(peer, peer.c.id == location.c.archive)
        .where(location.c.instance == key)
        .order_by(peer.c.name)
    )
    return [f"The archive {row.name!r} has {_DONE[row.evidence]} at {row.at}." for row in rows]


_DONE = {str(Evidence.ACKNOWLEDGED): "acknowledged it", str(Evidence.COMMITTED): "committed to it"}
