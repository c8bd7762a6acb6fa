"""Peers and destinations of the settings as rows: a server writes them when it starts.

Rows of the settings are in use as long as the settings of one server name them. They keep their keys: an entity that is
taken out and put back is the same peer. Where settings of two servers differ, those of the last one to start hold.
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
    """A destination as the settings name it: at the first endpoint of the peer of this name that takes objects."""

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
    """Write what the settings of a node name; gives sentences about what an administrator should know."""
    peer_rows.begin_change(transaction)
    settings_rows.forget_others(transaction, node, now)
    remarks: list[str] = []
    _mirror_peers(transaction, peers, node, now, remarks)
    _mirror_destinations(transaction, destinations, node, now, remarks)
    return remarks


def _mirror_peers(
    transaction: Connection, wanted: Sequence[WantedPeer], node: str, now: datetime, remarks: list[str]
) -> None:
    named = {}
    claimed = settings_rows.claimed(transaction, "peer")
    in_use = {peer.name: peer for peer in lists.peers_in_use(transaction)}
    for each in wanted:
        current = in_use.get(each.name) or _ended(transaction, each.name)
        if current is None:
            named[acts.write_new(transaction, each, Origin.SETTINGS, now)] = each
            continue
        named[current.id] = each
        keyed, _ = acts.with_keys(each, current.endpoints)
        is_ours = current.origin == Origin.SETTINGS
        if is_ours and current.ended_at is None and _as_wanted(current) == _written_out(keyed):
            continue
        if not is_ours:
            remarks.append(f"The peer {each.name!r}, which people had added, is now that of the settings.")
        elif claimed.get(current.id, set()) - {node} and current.ended_at is None:
            remarks.append(
                f"The peer {each.name!r} differs in the settings of another server; from now on these hold. "
                "Let all servers have the same settings."
            )
        acts.write_changed(transaction, current, keyed, now, Origin.SETTINGS)
    settings_rows.claim(transaction, node, "peer", named)
    _end_unnamed_peers(transaction, now)
    _remark_on_titles(transaction, named, remarks)


def _end_unnamed_peers(transaction: Connection, now: datetime) -> None:
    claimed = settings_rows.claimed(transaction, "peer")
    for peer in lists.peers_in_use(transaction):
        if peer.origin == Origin.SETTINGS and peer.id not in claimed:
            acts.end(transaction, peer, now)


def _remark_on_titles(transaction: Connection, named: dict[int, WantedPeer], remarks: list[str]) -> None:
    in_use = lists.peers_in_use(transaction)
    for peer in in_use:
        if peer.id not in named:
            continue
        for other in in_use:
            common = sorted(titles_of(peer) & titles_of(other))
            if common and other.origin != Origin.SETTINGS:
                remarks.append(
                    f"The AE title {common[0]!r} of the peer {other.name!r} is that of {peer.name!r} in the settings, "
                    "which goes before. Remove one of them."
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
    )


def _written_out(wanted: WantedPeer) -> WantedPeer:
    """A wanted peer with its titles and hosts written out."""
    return replace(wanted, ae_titles=wanted.calling_titles, hosts=wanted.calling_hosts)


def _mirror_destinations(
    transaction: Connection,
    wanted: Sequence[SettingsDestination],
    node: str,
    now: datetime,
    remarks: list[str],
) -> None:
    peers = {peer.name: peer for peer in lists.peers_in_use(transaction)}
    named = []
    for each in wanted:
        peer = peers.get(each.peer)
        endpoint = peer.endpoint(*SENDABLE) if peer is not None else None
        if endpoint is None or endpoint.id is None:
            remarks.append(
                f"The destination {each.name!r} of the settings is left out: there is no peer {each.peer!r} to whom "
                "objects can be sent."
            )
            continue
        wanted_row = WantedDestination(each.name, endpoint.id, each.description, each.is_enabled, each.policy)
        faults = destination_acts.faults_of_policy(wanted_row, EndpointKind(endpoint.kind))
        if faults:
            remarks.append(
                f"The destination {each.name!r} of the settings is left out: "
                + " ".join(f"{fault.field}: {fault.message}" for fault in faults)
            )
            continue
        row = destination_rows.destination_in_use(transaction, each.name) or destination_rows.last_ended(
            transaction, each.name, Origin.SETTINGS
        )
        if row is None:
            named.append(destination_acts.write_new(transaction, wanted_row, Origin.SETTINGS, now))
            continue
        current = destination_of(row)
        named.append(current.id)
        if current.origin != Origin.SETTINGS:
            remarks.append(
                f"The destination {each.name!r}, which people had added, is now that of the settings."
            )
        elif current.ended_at is None and _is_as_wanted(current, wanted_row):
            continue
        columns = {
            **wanted_row.columns(),
            "origin": str(Origin.SETTINGS),
            "changed_at": timestamp(now),
            "ended_at": None,
        }
        destination_rows.update_destination(transaction, current.id, columns)
    settings_rows.claim(transaction, node, "destination", named)
    claimed = settings_rows.claimed(transaction, "destination")
    for row in destination_rows.destinations_in_use(transaction):
        if row["origin"] == Origin.SETTINGS and row["id"] not in claimed:
            destination_acts.end(transaction, row["id"], now)


def _is_as_wanted(current: Destination, wanted: WantedDestination) -> bool:
    return wanted == WantedDestination(
        current.name, current.endpoint, current.description, current.is_enabled, current.policy
    )
