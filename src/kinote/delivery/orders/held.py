"""Destinations that are held: disabled, in a planned downtime, or outside of their hours."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import Connection

from kinote.catalog.known_systems import destination_rows
from kinote.peers.destination import Destination, destination_of
from kinote.peers.times import held_because
from kinote.telemetry.clock import Clock


def why_held(to: Destination, clock: Clock) -> str:
    """Return why deliveries to a destination wait, as a sentence; empty if they do not."""
    if to.has_ended:
        return ""
    return to.hindrance or held_because(to.policy, clock())


def held_destinations(clock: Clock) -> Callable[[Connection], Collection[str]]:
    """Return a function that finds the names of the destinations whose deliveries wait."""

    def find(connection: Connection) -> Collection[str]:
        in_use = map(destination_of, destination_rows.destinations_in_use(connection))
        return {each.name for each in in_use if why_held(each, clock)}

    return find
