"""Writing the peers and destinations of the settings as rows when a server starts.

Such a row is active as long as the settings of any server list it. It keeps its key: an entity that is removed from the
settings and added again is the same peer. If the settings of two servers differ, those of the last one to start apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog.known_systems import destination_rows, peer_rows, settings_rows
from kinote.catalog.schema.timestamps import timestamp
from kinote.peers import acts, destination_acts, lists
from kinote.peers.checks import titles_of
from kinote.peers.destination import SENDABLE, Destination, Policy, WantedDestination, destination_of
from kinote.peers.peer import EndpointKind, Origin, Peer, WantedPeer


@dataclass(frozen=True, slots=True)
class SettingsDestination:
    """A destination in the settings. It uses the first endpoint of the peer with this name that accepts objects."""

    name: str
    peer: str
    description: str = ""
    is_enabled: bool = True
    policy: Policy = field(default_factory=Policy)


def mirror(
    transaction: Connection,
    peers: Sequence[WantedPeer],
    destinations: Sequence[SettingsDestination],
    node: str,
    now: datetime,
) -> list[str]:
    """Write the peers and destinations of a node's settings. Returns remarks for the administrator, as sentences.

    `node` is the id of the server process.
    """
    peer_rows.begin_change(transaction)
    settings_rows.forget_others(transaction, node, now)
    remarks: list[str] = []
    _mirror_peers(transaction, peers, node, now, remarks)
    _mirror_destinations(transaction, destinations, node, now, remarks)
    return remarks


def _mirror_peers(
    transaction: Connection, wanted: Sequence[WantedPeer], node: str, now: datetime, remarks: list[str]
) -> None:
    by_id = {}
    claimed = settings_rows.claimed(transaction, "peer")
    in_use = {peer.name: peer for peer in lists.peers_in_use(transaction)}
    for each in wanted:
        current = in_use.get(each.name) or _ended(transaction, each.name)
        if current is None:
            by_id[acts.write_new(transaction, each, Origin.SETTINGS, now)] = each
            continue
        by_id[current.id] = each
        keyed, _ = acts.with_keys(each, current.endpoints)
        is_ours = current.origin == Origin.SETTINGS
        if is_ours and current.ended_at is None and _as_wanted(current) == _with_defaults(keyed):
            continue
        if not is_ours:
            remarks.append(f"The settings now manage the peer {each.name!r}, which a user had added.")
        elif claimed.get(current.id, set()) - {node} and current.ended_at is None:
            remarks.append(
                f"The peer {each.name!r} differs in the settings of another server; the settings of this server now "
                "apply. Give all servers the same settings."
            )
        acts.write_changed(transaction, current, keyed, now, Origin.SETTINGS)
    settings_rows.claim(transaction, node, "peer", by_id)
    _end_unclaimed_peers(transaction, now)
    _remark_on_titles(transaction, by_id, remarks)


def _end_unclaimed_peers(transaction: Connection, now: datetime) -> None:
    claimed = settings_rows.claimed(transaction, "peer")
    for peer in lists.peers_in_use(transaction):
        if peer.origin == Origin.SETTINGS and peer.id not in claimed:
            acts.end(transaction, peer, now)


def _remark_on_titles(transaction: Connection, by_id: dict[int, WantedPeer], remarks: list[str]) -> None:
    in_use = lists.peers_in_use(transaction)
    for peer in in_use:
        if peer.id not in by_id:
            continue
        for other in in_use:
            common = sorted(titles_of(peer) & titles_of(other))
            if common and other.origin != Origin.SETTINGS:
                remarks.append(
                    f"The peer {other.name!r} has the AE title {common[0]!r} of {peer.name!r} in the settings, which "
                    "takes precedence. Remove one of them."
                )


def _ended(transaction: Connection, name: str) -> Peer | None:
    row = peer_rows.last_ended(transaction, name, Origin.SETTINGS)
    return None if row is None else lists.peer(transaction, row["id"])


def _as_wanted(peer: Peer) -> WantedPeer:
    return WantedPeer(
        peer.name,
        peer.description,
        peer.is_enabled,
        peer.ae_titles,
        peer.hosts,
        peer.services,
        peer.rights,
        peer.endpoints,
        certificates=peer.certificates,
    )


def _with_defaults(wanted: WantedPeer) -> WantedPeer:
    """Replace titles and hosts that are None by those of the endpoints, as in a stored peer."""
    return replace(wanted, ae_titles=wanted.calling_titles, hosts=wanted.calling_hosts)


def _mirror_destinations(
    transaction: Connection,
    wanted: Sequence[SettingsDestination],
    node: str,
    now: datetime,
    remarks: list[str],
) -> None:
    peers = {peer.name: peer for peer in lists.peers_in_use(transaction)}
    ids = []
    for each in wanted:
        peer = peers.get(each.peer)
        endpoint = peer.endpoint(*SENDABLE) if peer is not None else None
        if endpoint is None or endpoint.id is None:
            remarks.append(
                f"The destination {each.name!r} of the settings is ignored: there is no peer {each.peer!r} that "
                "accepts objects."
            )
            continue
        wanted_row = WantedDestination(each.name, endpoint.id, each.description, each.is_enabled, each.policy)
        faults = destination_acts.faults_of_policy(wanted_row, EndpointKind(endpoint.kind))
        if faults:
            remarks.append(
                f"The destination {each.name!r} of the settings is ignored: "
                + " ".join(f"{fault.field}: {fault.message}" for fault in faults)
            )
            continue
        row = destination_rows.destination_in_use(transaction, each.name) or destination_rows.last_ended(
            transaction, each.name, Origin.SETTINGS
        )
        if row is None:
            ids.append(destination_acts.write_new(transaction, wanted_row, Origin.SETTINGS, now))
            continue
        current = destination_of(row)
        ids.append(current.id)
        if current.origin != Origin.SETTINGS:
            remarks.append(f"The settings now manage the destination {each.name!r}, which a user had added.")
        elif current.ended_at is None and _is_as_wanted(current, wanted_row):
            continue
        columns = {
            **wanted_row.columns(),
            "origin": str(Origin.SETTINGS),
            "changed_at": timestamp(now),
            "ended_at": None,
        }
        destination_acts.write_changed(transaction, current.id, columns)
    settings_rows.claim(transaction, node, "destination", ids)
    claimed = settings_rows.claimed(transaction, "destination")
    for row in destination_rows.destinations_in_use(transaction):
        if row["origin"] == Origin.SETTINGS and row["id"] not in claimed:
            destination_acts.end(transaction, row["id"], now)


def _is_as_wanted(current: Destination, wanted: WantedDestination) -> bool:
    return wanted == WantedDestination(
        current.name, current.endpoint, current.description, current.is_enabled, current.policy
    )
