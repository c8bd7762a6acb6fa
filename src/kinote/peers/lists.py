"""Reading peers from the database: one, a page, or all active ones."""

from __future__ import annotations

from sqlalchemy import Connection

from kinote.catalog.known_systems import peer_rows
from kinote.peers.peer import Peer, peer_of
from kinote.peers.refusals import PeerNotFoundError


def peer(connection: Connection, peer_id: int) -> Peer:
    """Return the peer with this key and its endpoints; for an ended peer, those it had when it ended.

    Raises `PeerNotFoundError` if there is none.
    """
    row = peer_rows.peer_row(connection, peer_id)
    if row is None:
        raise PeerNotFoundError(f"There is no peer number {peer_id}.")
    endpoints = peer_rows.endpoints_of(connection, [peer_id], with_ended=row["ended_at"] is not None)
    of_then = [each for each in endpoints.get(peer_id, ()) if each["ended_at"] == row["ended_at"]]
    return peer_of(row, of_then)


def peers_in_use(connection: Connection) -> list[Peer]:
    """Return all active peers in the order of their keys."""
    endpoints = peer_rows.endpoints_of(connection)
    return [peer_of(row, endpoints.get(row["id"], ())) for row in peer_rows.peers_in_use(connection)]


def page_of_peers(
    connection: Connection, *, after: tuple[str, int] | None, limit: int, with_ended: bool = False
) -> list[Peer]:
    """Return up to `limit` peers by name, following `after`, the name and key of the last one seen."""
    rows = peer_rows.page_of_peers(connection, after=after, limit=limit, with_ended=with_ended)
    ended = {row["id"]: row["ended_at"] for row in rows}
    endpoints = peer_rows.endpoints_of(connection, list(ended), with_ended=with_ended)
    return [
        peer_of(row, [each for each in endpoints.get(row["id"], ()) if each["ended_at"] == row["ended_at"]])
        for row in rows
    ]
