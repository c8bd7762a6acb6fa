"""Archives that a peer is: what has to be asked before the peer changes or ends."""

from __future__ import annotations

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import archive, instance, location


def objects_are_only_at(connection: Connection, peer_id: int) -> bool:
    """Return whether instances were evicted that this archive has acknowledged or committed to."""
    query = (
        select(location.c.instance)
        .join(instance, instance.c.id == location.c.instance)
        .where(location.c.archive == peer_id, instance.c.residence == "remote")
        .limit(1)
    )
    return connection.execute(query).first() is not None


def forget_proof(transaction: Connection, peer_id: int) -> None:
    """Let an archive prove a recall again before anything more is evicted on its word."""
    transaction.execute(
        archive.update().where(archive.c.peer == peer_id, archive.c.proof == "proved").values(proof="")
    )
