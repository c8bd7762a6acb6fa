"""Objects that came from an archive: they are not sent back to it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.sql.statements import LookUp
from kinote.lifecycle.archives.evidence import archives_in_use
from kinote.peers import lists
from kinote.peers.checks import titles_of
from kinote.security.actors import ActorKind

_BROUGHT_BY = LookUp(
    select(live_instance.c.id, live_instance.c.brought_by_kind, live_instance.c.brought_by_name),
    live_instance.c.id,
)


def came_from(connection: Connection, peer_id: int, instances: Sequence[int]) -> set[int]:
    """Return those of the instances that a peer has brought, if it is an archive. It has them already."""
    if not any(each.peer == peer_id for each in archives_in_use(connection)):
        return set()
    peer = lists.peer(connection, peer_id)
    names = {peer.name, *titles_of(peer)}
    return {
        row.id
        for row in _BROUGHT_BY(connection, instances)
        if row.brought_by_kind == str(ActorKind.PEER) and row.brought_by_name in names
    }
