"""Adding, changing, removing and finding routes."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog.known_systems import destination_rows
from kinote.catalog.schema.timestamps import timestamp
from kinote.delivery.routing import rows
from kinote.delivery.routing.checks import faults_of_route
from kinote.delivery.routing.route import Route, WantedRoute, route_of
from kinote.peers.checks import faults_of_name
from kinote.peers.destination import destination_of
from kinote.peers.peer import Origin
from kinote.peers.refusals import (
    Fault,
    NotManagedHereError,
    PeerNotFoundError,
    PeerVersionError,
    RefusedPeerError,
)
from kinote.security.actors import Actor

log = logging.getLogger(__name__)


def route(connection: Connection, key: int) -> Route:
    """Return the route with this key, active or ended. Raises `PeerNotFoundError` if there is none."""
    row = rows.route_row(connection, key)
    if row is None:
        raise PeerNotFoundError(f"There is no route number {key}.")
    return route_of(row)


def routes_called(connection: Connection, name: str) -> list[Route]:
    """Return the active route with this name as a list, which is empty if there is none."""
    if any(faults_of_name(name)):
        return []
    row = rows.row_in_use(connection, name)
    return [] if row is None else [route_of(row)]


def page_of_routes(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool = False
) -> list[Route]:
    """Return up to `limit` routes by name, following `after`, the name and key of the last one seen."""
    found = rows.page_of_rows(connection, after=after, limit=limit, with_ended=with_ended)
    return [route_of(row) for row in found]


def add_route(transaction: Connection, wanted: WantedRoute, now: datetime, *, by: Actor) -> Route:
    """Add a route and return it. It acts on what happens from now on. Raises `RefusedPeerError` if it is not valid."""
    rows.lock(transaction)
    _check(transaction, wanted, None)
    _log_act("added", wanted.name, by)
    return route(transaction, write_new(transaction, wanted, Origin.PEOPLE, now))


def change_route(
    transaction: Connection,
    key: int,
    wanted: WantedRoute,
    now: datetime,
    *,
    expected_version: int | None,
    by: Actor,
) -> Route:
    """Replace the definition of a route and return the result.

    `expected_version` is the version that the caller has seen; None skips the check. Raises `PeerNotFoundError`,
    `PeerVersionError`, `NotManagedHereError` if it comes from the settings, and `RefusedPeerError` if the new
    definition is not valid.
    """
    rows.lock(transaction)
    _managed(transaction, key, expected_version)
    _check(transaction, wanted, key)
    rows.update(transaction, key, {**wanted.columns(), "changed_at": timestamp(now)})
    _log_act("changed", wanted.name, by)
    return route(transaction, key)


def remove_route(
    transaction: Connection, key: int, now: datetime, *, expected_version: int | None, by: Actor
) -> Route:
    """End a route and return it. What it has ordered is delivered. Raises the errors of `change_route`."""
    rows.lock(transaction)
    current = _managed(transaction, key, expected_version)
    end(transaction, key, now)
    _log_act("removed", current.name, by)
    return route(transaction, key)


def write_new(transaction: Connection, wanted: WantedRoute, origin: Origin, now: datetime) -> int:
    """Write a new route and return its key."""
    moment = timestamp(now)
    columns = {**wanted.columns(), "origin": str(origin), "added_at": moment, "changed_at": moment}
    return rows.insert(transaction, columns)


def end(transaction: Connection, key: int, now: datetime) -> None:
    """Mark a route as ended."""
    moment = timestamp(now)
    rows.update(transaction, key, {"ended_at": moment, "changed_at": moment})


def faults(transaction: Connection, wanted: WantedRoute, own: int | None) -> list[Fault]:
    """Return the faults of a definition; `own` is the key of the route that it is for."""
    row = destination_rows.destination_row(transaction, wanted.destination)
    found = faults_of_route(wanted, None if row is None else destination_of(row))
    # An invalid name may not even be valid for the database.
    other = None if any(faults_of_name(wanted.name)) else rows.row_in_use(transaction, wanted.name)
    if other is not None and other["id"] != own:
        found.append(Fault("name", f"There is already a route {wanted.name!r}, number {other['id']}."))
    return found


def _check(transaction: Connection, wanted: WantedRoute, own: int | None) -> None:
    if found := faults(transaction, wanted, own):
        raise RefusedPeerError(found)


def _managed(transaction: Connection, key: int, expected_version: int | None) -> Route:
    current = route(transaction, key)
    if current.origin == Origin.SETTINGS:
        raise NotManagedHereError(
            f"The route {current.name!r} comes from the settings of the server. Change or remove it there "
            "([[routes]] in kinote.toml, or KINOTE_ROUTES), and start the server again."
        )
    if current.ended_at is not None:
        raise NotManagedHereError(f"The route {current.name!r} has been removed. Add it again.")
    if expected_version not in (None, current.version):
        raise PeerVersionError(
            f"The route {current.name!r} has the version {current.version} now, not {expected_version}. "
            "Read it again and repeat the change."
        )
    return current


def _log_act(act: str, name: str, by: Actor) -> None:
    log.info("A route is being %s", act, extra={"route": name, **by.columns("by")})
