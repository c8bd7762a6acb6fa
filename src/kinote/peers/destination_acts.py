"""Adding, changing, removing and finding destinations."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.known_systems import availability_rows, destination_rows, peer_rows
from kinote.catalog.schema.timestamps import timestamp
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.peers.checks import faults_of_description, faults_of_name
from kinote.peers.destination import (
    MOST_ASSOCIATIONS,
    MOST_BYTES_PER_SECOND,
    SENDABLE,
    Content,
    Destination,
    Policy,
    WantedDestination,
    WithoutNotes,
    destination_of,
)
from kinote.peers.peer import EndpointKind, Origin
from kinote.peers.refusals import (
    Fault,
    NotManagedHereError,
    PeerNotFoundError,
    PeerVersionError,
    RefusedPeerError,
)
from kinote.peers.times import faults_of_times
from kinote.security.actors import Actor

log = logging.getLogger(__name__)


def destination(connection: Connection, destination_id: int) -> Destination:
    """Return the destination with this key, active or ended. Raises `PeerNotFoundError` if there is none."""
    row = destination_rows.destination_row(connection, destination_id)
    if row is None:
        raise PeerNotFoundError(f"There is no destination number {destination_id}.")
    return destination_of(row)


def page_of_destinations(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool = False
) -> list[Destination]:
    """Return up to `limit` destinations by name, following `after`, the name and key of the last one seen."""
    rows = destination_rows.page_of_destinations(connection, after=after, limit=limit, with_ended=with_ended)
    return [destination_of(row) for row in rows]


def destinations_called(connection: Connection, name: str) -> list[Destination]:
    """Return the active destination with this name as a list, which is empty if there is none."""
    if any(faults_of_name(name)):
        return []
    row = destination_rows.destination_in_use(connection, name)
    return [] if row is None else [destination_of(row)]


def add_destination(
    transaction: Connection, wanted: WantedDestination, now: datetime, *, by: Actor
) -> Destination:
    """Add a destination and return it. Raises `RefusedPeerError` if it is not valid."""
    peer_rows.begin_change(transaction)
    _check(transaction, wanted, None)
    _log_act("added", wanted.name, by)
    return destination(transaction, write_new(transaction, wanted, Origin.PEOPLE, now))


def change_destination(
    transaction: Connection,
    destination_id: int,
    wanted: WantedDestination,
    now: datetime,
    *,
    expected_version: int | None,
    by: Actor,
) -> Destination:
    """Replace the definition of a destination and return the result.

    `expected_version` is the version that the caller has seen; None skips the check. Raises `PeerNotFoundError`,
    `PeerVersionError`, `NotManagedHereError` if it comes from the settings, and `RefusedPeerError` if the new
    definition is not valid.
    """
    peer_rows.begin_change(transaction)
    _managed(transaction, destination_id, expected_version)
    _check(transaction, wanted, destination_id)
    columns = {**wanted.columns(), "changed_at": timestamp(now)}
    write_changed(transaction, destination_id, columns)
    _log_act("changed", wanted.name, by)
    return destination(transaction, destination_id)


def remove_destination(
    transaction: Connection, destination_id: int, now: datetime, *, expected_version: int | None, by: Actor
) -> Destination:
    """End a destination and return it. Raises `PeerNotFoundError`, `PeerVersionError` and `NotManagedHereError`."""
    peer_rows.begin_change(transaction)
    current = _managed(transaction, destination_id, expected_version)
    end(transaction, destination_id, now)
    _log_act("removed", current.name, by)
    return destination(transaction, destination_id)


def _log_act(act: str, name: str, by: Actor) -> None:
    log.info("A destination is being %s", act, extra={"destination": name, **by.columns("by")})


def write_new(transaction: Connection, wanted: WantedDestination, origin: Origin, now: datetime) -> int:
    """Write a new destination and return its key."""
    moment = timestamp(now)
    columns = {**wanted.columns(), "origin": str(origin), "added_at": moment, "changed_at": moment}
    _begin_anew_if_none_is_told(transaction)
    return destination_rows.insert_destination(transaction, columns)


def write_changed(transaction: Connection, destination_id: int, columns: Mapping[str, Any]) -> None:
    """Write these columns of a destination; its version grows by one."""
    _begin_anew_if_none_is_told(transaction)
    destination_rows.update_destination(transaction, destination_id, columns)


def _begin_anew_if_none_is_told(transaction: Connection) -> None:
    """Let the destination that is being written be told of what happens from now on, and of nothing before."""
    in_use = map(destination_of, destination_rows.destinations_in_use(transaction))
    if not any(each.policy.availability for each in in_use):
        availability_rows.POSITION.begin(transaction)


def end(transaction: Connection, destination_id: int, now: datetime) -> None:
    """Mark a destination as ended."""
    moment = timestamp(now)
    write_changed(transaction, destination_id, {"ended_at": moment, "changed_at": moment})


def _managed(transaction: Connection, destination_id: int, expected_version: int | None) -> Destination:
    current = destination(transaction, destination_id)
    if current.origin == Origin.SETTINGS:
        raise NotManagedHereError(
            f"The destination {current.name!r} comes from the settings of the server. Change or remove it there "
            "([[destinations]] in kinote.toml, or KINOTE_DESTINATIONS), and start the server again."
        )
    if current.ended_at is not None:
        raise NotManagedHereError(f"The destination {current.name!r} has been removed. Add it again.")
    if expected_version not in (None, current.version):
        raise PeerVersionError(
            f"The destination {current.name!r} has the version {current.version} now, not {expected_version}. "
            "Read it again and repeat the change."
        )
    return current


def faults_of_policy(wanted: WantedDestination, kind: EndpointKind) -> list[Fault]:
    """Return the faults of a destination's policy, in itself and with this kind of endpoint."""
    faults = []
    if kind not in SENDABLE:
        faults.append(Fault("endpoint", f"Objects cannot be sent to an endpoint of the kind {kind}."))
    if not 1 <= wanted.policy.associations <= MOST_ASSOCIATIONS:
        faults.append(Fault("policy.associations", f"A whole number from 1 to {MOST_ASSOCIATIONS}."))
    if kind is not EndpointKind.DIMSE and wanted.policy.availability:
        faults.append(
            Fault("policy.availability", "Only an endpoint of the kind dimse can be told: leave it out.")
        )
    if kind is EndpointKind.FOLDER and wanted.policy.associations != 1:
        faults.append(Fault("policy.associations", "A folder has no associations: leave it out."))
    return [*faults, *faults_of_times(wanted.policy), *_faults_of_sending(wanted.policy, kind)]


def _faults_of_sending(policy: Policy, kind: EndpointKind) -> Iterator[Fault]:
    if not 0 <= policy.bytes_per_second <= MOST_BYTES_PER_SECOND:
        yield Fault(
            "policy.bytes_per_second", f"A whole number from 0, for no limit, to {MOST_BYTES_PER_SECOND}."
        )
    if kind is not EndpointKind.DIMSE and policy.pulled is not Content.ALL:
        yield Fault(
            "policy.pulled",
            "Only an endpoint of the kind dimse pulls by C-MOVE or C-GET: leave it out.",
        )
    elif policy.pulled is Content.ALL and policy.pulled_without_notes is not WithoutNotes.ALL:
        yield Fault("policy.pulled_without_notes", "It has no effect where `pulled` is `all`: leave it out.")
    if kind is EndpointKind.FOLDER and policy.transfer_syntaxes:
        yield Fault("policy.transfer_syntaxes", "A folder takes objects as they are stored: leave it out.")
    for uid in policy.transfer_syntaxes:
        if not transfer_syntaxes.is_known(uid):
            yield Fault("policy.transfer_syntaxes", f"{uid!r} is the UID of no transfer syntax.")


def _check(transaction: Connection, wanted: WantedDestination, own: int | None) -> None:
    faults = list(faults_of_name(wanted.name))
    # An invalid name may not even be valid for the database.
    other = None if faults else destination_rows.destination_in_use(transaction, wanted.name)
    faults += faults_of_description(wanted.description)
    endpoint = peer_rows.endpoint_row(transaction, wanted.endpoint)
    if endpoint is None or endpoint["ended_at"] is not None:
        faults.append(Fault("endpoint", f"No peer has an endpoint number {wanted.endpoint}."))
    else:
        faults += faults_of_policy(wanted, EndpointKind(endpoint["kind"]))
    if other is not None and other["id"] != own:
        faults.append(Fault("name", f"There is already a destination {wanted.name!r}, number {other['id']}."))
    if faults:
        raise RefusedPeerError(faults)
