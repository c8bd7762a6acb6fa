"""Peers and their endpoints: written, found by key or name, and listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, tuple_

from kinote.catalog.facts import fact, write_fact
from kinote.catalog.schema.tables import endpoint, peer
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.announcements import note_changes

_REVISION = "peers revision"


def begin_change(transaction: Connection) -> None:
    """Lock out other writers of peers and destinations, and make every server reload them after the commit."""
    dialects.lock_names(transaction, ["kinote peers"])
    write_fact(transaction, _REVISION, str(revision(transaction) + 1))
    note_changes(transaction)


def revision(connection: Connection) -> int:
    """Return a number that increases with every change of peers and destinations."""
    return int(fact(connection, _REVISION) or 0)


def insert_peer(transaction: Connection, values: Mapping[str, Any]) -> int:
    """Write a new peer. Return its key."""
    return int(transaction.execute(peer.insert().values(values).returning(peer.c.id)).scalar_one())


def update_peer(transaction: Connection, peer_id: int, values: Mapping[str, Any]) -> None:
    """Write these columns of a peer; its version grows by one."""
    transaction.execute(
        peer.update().where(peer.c.id == peer_id).values(**values, version=peer.c.version + 1)
    )


def insert_endpoint(transaction: Connection, values: Mapping[str, Any]) -> int:
    """Write a new endpoint. Return its key."""
    return int(transaction.execute(endpoint.insert().values(values).returning(endpoint.c.id)).scalar_one())


def update_endpoint(transaction: Connection, endpoint_id: int, values: Mapping[str, Any]) -> None:
    """Write these columns of an endpoint."""
    transaction.execute(endpoint.update().where(endpoint.c.id == endpoint_id).values(values))


def peer_row(connection: Connection, peer_id: int) -> RowMapping | None:
    """Return a peer by its key, ended or not."""
    return connection.execute(select(peer).where(peer.c.id == peer_id)).mappings().one_or_none()


def last_ended(connection: Connection, name: str, origin: str) -> RowMapping | None:
    """Return the peer of an origin that had this name and ended last."""
    query = select(peer).where(peer.c.name == name, peer.c.origin == origin, peer.c.ended_at.is_not(None))
    return connection.execute(query.order_by(peer.c.ended_at.desc()).limit(1)).mappings().one_or_none()


def peers_in_use(connection: Connection) -> Sequence[RowMapping]:
    """Return all peers that have not ended, in the order of their keys."""
    return (
        connection.execute(select(peer).where(peer.c.ended_at.is_(None)).order_by(peer.c.id)).mappings().all()
    )


def page_of_peers(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool
) -> Sequence[RowMapping]:
    """Peers after a name and key, in the order of names."""
    query = select(peer).order_by(peer.c.name, peer.c.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(peer.c.name, peer.c.id) > after)
    if not with_ended:
        query = query.where(peer.c.ended_at.is_(None))
    return connection.execute(query).mappings().all()


def endpoints_of(
    connection: Connection, peers: Sequence[int] | None = None, *, with_ended: bool = False
) -> dict[int, list[RowMapping]]:
    """Endpoints by the keys of their peers, each in the order of their keys; None: of all peers."""
    query = select(endpoint).order_by(endpoint.c.id)
    if peers is not None:
        query = query.where(endpoint.c.peer.in_(peers))
    if not with_ended:
        query = query.where(endpoint.c.ended_at.is_(None))
    found: dict[int, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[row["peer"]].append(row)
    return found


def endpoint_row(connection: Connection, endpoint_id: int) -> RowMapping | None:
    """Return an endpoint by its key, ended or not."""
    return connection.execute(select(endpoint).where(endpoint.c.id == endpoint_id)).mappings().one_or_none()
