"""Destinations: written, found by key, name or endpoint, and listed. Each row has its endpoint and peer with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, tuple_

from kinote.catalog.schema.tables import destination, endpoint, peer


def insert_destination(transaction: Connection, values: Mapping[str, Any]) -> int:
    """Write a new destination. Return its key."""
    return int(
        transaction.execute(destination.insert().values(values).returning(destination.c.id)).scalar_one()
    )


def update_destination(transaction: Connection, destination_id: int, values: Mapping[str, Any]) -> None:
    """Write these columns of a destination; its version grows by one."""
    transaction.execute(
        destination.update()
        .where(destination.c.id == destination_id)
        .values(**values, version=destination.c.version + 1)
    )


def destination_row(connection: Connection, destination_id: int) -> RowMapping | None:
    """Return a destination by its key, ended or not."""
    return connection.execute(_ALL.where(destination.c.id == destination_id)).mappings().one_or_none()


def destination_in_use(connection: Connection, name: str) -> RowMapping | None:
    """Return the destination of this name that has not ended."""
    query = _ALL.where(destination.c.name == name, destination.c.ended_at.is_(None))
    return connection.execute(query).mappings().one_or_none()


def destinations_in_use(connection: Connection) -> Sequence[RowMapping]:
    """Return all destinations that have not ended, in the order of their keys."""
    query = _ALL.where(destination.c.ended_at.is_(None)).order_by(destination.c.id)
    return connection.execute(query).mappings().all()


def names_of_destinations(connection: Connection, endpoints: Sequence[int]) -> list[str]:
    """Return the names of the destinations at these endpoints that have not ended."""
    query = (
        select(destination.c.name)
        .where(destination.c.endpoint.in_(endpoints), destination.c.ended_at.is_(None))
        .order_by(destination.c.name)
    )
    return list(connection.execute(query).scalars())


def last_ended(connection: Connection, name: str, origin: str) -> RowMapping | None:
    """Return the destination of an origin that had this name and ended last."""
    query = _ALL.where(
        destination.c.name == name, destination.c.origin == origin, destination.c.ended_at.is_not(None)
    ).order_by(destination.c.ended_at.desc())
    return connection.execute(query.limit(1)).mappings().one_or_none()


def page_of_destinations(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool
) -> Sequence[RowMapping]:
    """Destinations after a name and key, in the order of names."""
    query = _ALL.order_by(destination.c.name, destination.c.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(destination.c.name, destination.c.id) > after)
    if not with_ended:
        query = query.where(destination.c.ended_at.is_(None))
    return connection.execute(query).mappings().all()


_ALL = (
    select(
        destination,
        endpoint.c.kind,
        endpoint.c.address,
        endpoint.c.ended_at.label("endpoint_ended_at"),
        peer.c.id.label("peer"),
        peer.c.name.label("peer_name"),
        peer.c.is_enabled.label("peer_is_enabled"),
        peer.c.ended_at.label("peer_ended_at"),
    )
    .join(endpoint, destination.c.endpoint == endpoint.c.id)
    .join(peer, endpoint.c.peer == peer.c.id)
)
