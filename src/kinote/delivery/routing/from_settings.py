"""Keeps the stored routes in step with the settings of the server processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from kinote.catalog.known_systems import destination_rows, settings_rows
from kinote.catalog.schema.timestamps import timestamp
from kinote.delivery.routing import acts, rows
from kinote.delivery.routing.route import WantedRoute, route_of
from kinote.peers.peer import Origin


@dataclass(frozen=True, slots=True)
class SettingsRoute:
    """A route in the settings, which names its destination. The key in `wanted` has no meaning."""

    destination: str
    wanted: WantedRoute


def mirror_routes(
    transaction: Connection, routes: Sequence[SettingsRoute], node: str, now: datetime
) -> list[str]:
    """Write the routes of a node's settings, after its destinations. Returns remarks for the administrator.

    `node` is the id of the server process.
    """
    rows.lock(transaction)
    settings_rows.forget_others(transaction, node, now)
    remarks: list[str] = []
    ids = []
    for each in routes:
        key = _mirror(transaction, each, now, remarks)
        if key is not None:
            ids.append(key)
    settings_rows.claim(transaction, node, "route", ids)
    claimed = settings_rows.claimed(transaction, "route")
    for row in rows.rows_in_use(transaction):
        if row["origin"] == Origin.SETTINGS and row["id"] not in claimed:
            acts.end(transaction, row["id"], now)
    return remarks


def _mirror(transaction: Connection, each: SettingsRoute, now: datetime, remarks: list[str]) -> int | None:
    name = each.wanted.name
    to = destination_rows.destination_in_use(transaction, each.destination)
    if to is None:
        remarks.append(
            f"The route {name!r} of the settings is ignored: there is no destination {each.destination!r}."
        )
        return None
    wanted = replace(each.wanted, destination=to["id"])
    row = rows.row_in_use(transaction, name) or rows.last_ended(transaction, name, Origin.SETTINGS)
    if found := acts.faults(transaction, wanted, None if row is None else row["id"]):
        said = " ".join(f"{fault.field}: {fault.message}" for fault in found)
        remarks.append(f"The route {name!r} of the settings is ignored: {said}")
        return None
    if row is None:
        return acts.write_new(transaction, wanted, Origin.SETTINGS, now)
    current = route_of(row)
    if current.origin != Origin.SETTINGS:
        remarks.append(f"The settings now manage the route {name!r}, which a user had added.")
    elif current.ended_at is None and current.wanted == wanted:
        return current.id
    columns = {
        **wanted.columns(),
        "origin": str(Origin.SETTINGS),
        "changed_at": timestamp(now),
        "ended_at": None,
    }
    rows.update(transaction, current.id, columns)
    return current.id
