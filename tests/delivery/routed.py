"""A store with studies, destinations and routes, whose follower takes its steps by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from kinote.catalog.schema.tables import (
    delivery_object,
    destination,
    instance,
    outgoing_delivery,
    peer,
    route_result,
    route_wait,
    routed_object,
)
from kinote.catalog.transactions.catalog import Catalog
from kinote.delivery.orders.rows import DeliveryState, set_state
from kinote.delivery.routing import acts
from kinote.delivery.routing.dry_run import DryRun, dry_run
from kinote.delivery.routing.following import RouteFollower
from kinote.delivery.routing.route import Conditions, Route, Title, Trigger, WantedRoute
from kinote.intake.arrival import Arrival
from kinote.intake.filing import file_arrivals
from kinote.peers import destination_acts
from kinote.peers.destination import Policy
from kinote.security.actors import Actor, ActorKind
from kinote.security.origins import Interface, Origin
from tests.actors import ROE
from tests.catalog.archive import store
from tests.clock import clock
from tests.notes import sample_studies
from tests.peers.wanted import added, archive, dimse, sending_to

SURGERY = Title("113004")


class Routed:
    """Routes by the names of their destinations."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.follower = RouteFollower(catalog, clock)
        self.follower.step()

    def destination(self, title: str, policy: Policy | None = None) -> int:
        """Add a peer that is called by this title, and a destination there."""
        (reached,) = added(self.catalog, archive(title, dimse(title))).endpoints
        wanted = sending_to(reached, title, policy)
        return self.catalog.write(
            lambda transaction: destination_acts.add_destination(transaction, wanted, clock(), by=ROE)
        ).id

    def route(self, to: int, *triggers: Trigger, name: str = "Route", **options: Any) -> Route:
        conditions = Conditions(
            **{each: options.pop(each) for each in Conditions.__slots__ if each in options}
        )
        wanted = WantedRoute(name, to, triggers or (Trigger.NOTE_MADE,), conditions, **options)
        return self.catalog.write(lambda transaction: acts.add_route(transaction, wanted, clock(), by=ROE))

    def enable(self, route: Route, is_enabled: bool) -> None:
        wanted = replace(route.wanted, is_enabled=is_enabled)

        def write(transaction: Connection) -> Route:
            return acts.change_route(transaction, route.id, wanted, clock(), expected_version=None, by=ROE)

        self.catalog.write(write)

    def read(self, route: Route) -> Route:
        with self.catalog.read() as connection:
            return acts.route(connection, route.id)

    def objects_came(self, *described: Any) -> None:
        """Objects come, with what the change feed says of that."""
        for each in described:
            sample_studies.receive(self.catalog, sample_studies.dataset(each))

    def came_from(self, title: str, *datasets: bytes) -> None:
        """Objects come from a peer."""
        origin = Origin(Interface.C_STORE, Actor(ActorKind.PEER, title, "10.0.0.9"))
        for dataset in datasets:
            arrival = sample_studies.arrival(dataset, sample_studies.NOW)
            arrival.entry.instance_row.update(origin.columns())
            self._file(arrival)

    def _file(self, arrival: Arrival) -> None:
        self.catalog.write(lambda transaction: file_arrivals(transaction, [arrival], sample_studies.NOW))

    def step(self) -> None:
        self.follower.step()

    def pass_time(self) -> None:
        """All that is waited for is due."""
        past = "2000-01-01T00:00:00.000000+00:00"
        self.catalog.write(
            lambda transaction: transaction.execute(update(route_wait).values(due_at=past, at_latest=past))
        )

    def ordered(self) -> list[tuple[str, frozenset[str]]]:
        """The destination and the objects of each delivery, in the order in which they were ordered."""
        query = select(destination.c.name, outgoing_delivery.c.selection).join(
            destination, destination.c.id == outgoing_delivery.c.destination
        )
        with self.catalog.read() as connection:
            import json

            return [
                (name, frozenset(json.loads(selection).get("instances", ())))
                for name, selection in connection.execute(query.order_by(outgoing_delivery.c.id))
            ]

    def listed(self, *, skipped: str) -> None:
        """The manifest of the last delivery is made, and this object of it was not live when its turn came."""

        def write(transaction: Connection) -> None:
            on_its_way = transaction.execute(
                select(routed_object.c.delivery, instance.c.id, instance.c.sop_instance_uid).join(
                    instance, instance.c.id == routed_object.c.instance
                )
            )
            for key, of_it, uid in on_its_way.all():
                state = "skipped" if uid == skipped else "waiting"
                row = {"delivery": key, "rank": 0, "instance": of_it, "sop_instance_uid": uid, "state": state}
                transaction.execute(delivery_object.insert(), row)

        self.catalog.write(write)

    def end_deliveries(self) -> None:
        """All deliveries that have a manifest end."""

        def write(transaction: Connection) -> None:
            for key in transaction.execute(select(delivery_object.c.delivery).distinct()).scalars().all():
                set_state(transaction, key, DeliveryState.DONE, clock())

        self.catalog.write(write)

    def on_its_way(self) -> int:
        with self.catalog.read() as connection:
            return connection.execute(select(func.count()).select_from(routed_object)).scalar_one()

    def results(self) -> list[tuple[str, str, int]]:
        query = select(route_result.c.trigger, route_result.c.outcome, route_result.c.objects)
        with self.catalog.read() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(route_result.c.id))]

    def dry_run(self, route: Route, before: int | None = None) -> DryRun:
        with self.catalog.read() as connection:
            return dry_run(connection, route, clock() - timedelta(days=36_500), clock(), before=before)

    def end_peer(self, title: str) -> None:
        self.catalog.write(
            lambda transaction: transaction.execute(
                update(peer).where(peer.c.name == title).values(ended_at="2026-11-24T00:00:00.000000+00:00")
            )
        )


def filled(catalog: Catalog) -> Routed:
    """Three studies in the index, of before any route."""
    sample_studies.fill(catalog)
    return Routed(catalog)


__all__ = ["SURGERY", "Mapping", "Routed", "filled", "store"]
