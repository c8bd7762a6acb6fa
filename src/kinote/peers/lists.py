"""Peers as they are in the index: one, a page of them, all in use."""

from __future__ import annotations

from sqlalchemy import Connection

from kinote.catalog.known_systems import peer_rows
from kinote.peers.peer import Peer, peer_of
from kinote.peers.refusals import PeerNotFoundError


def peer(connection: Connection, peer_id: int) -> Peer:
    """The peer with this key, with the endpoints it has now; of one that has ended with those it had.

    Raises `PeerNotFoundError`.
    """
    row = peer_rows.peer_row(connection, peer_id)
    if row is None:
        raise PeerNotFoundError(f"There is no peer number {peer_id}.")
    endpoints = peer_rows.endpoints_of(connection, [peer_id], with_ended=row["ended_at"] is not None)
    of_then = [each for each in endpoints.get(peer_id, ()) if each["ended_at"] == row["ended_at"]]
    return peer_of(row, of_then)


def peers_in_use(connection: Connection) -> list[Peer]:
    """All peers that have not ended, in the order of their keys."""
    endpoints = peer_rows.endpoints_of(connection)
    return [peer_of(row, endpoints.get(row["id"], ())) for row in peer_rows.peers_in_use(connection)]


def page_of_peers(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool = False
) -> list[Peer]:
    """Peers in the order of their names, after a name and key."""
    rows = peer_rows.page_of_peers(connection, after=after, limit=limit, with_ended=with_ended)
    ended = {row["id"]: row["ended_at"] for row in rows}
    endpoints = peer_rows.endpoints_of(connection, list(ended), with_ended=with_ended)
    return [
        peer_of(row, [each for each in endpoints.get(row["id"], ()) if each["ended_at"] == row["ended_at"]])
        for row in rows
    ]
