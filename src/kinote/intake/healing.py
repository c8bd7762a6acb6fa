"""Healing: an object that has come again provides the bytes for a row whose own are damaged or missing (law 7)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from kinote.catalog.changes import Kind
from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, instance_pieces
from kinote.holdings.damage import tell
from kinote.holdings.removing.removal import Place
from kinote.holdings.removing.setting_aside import remember_to_set_aside
from kinote.intake.arrival import Arrival

#: The message to the sender, with `stored`.
HEALED = "Healed: the same data set was stored before, and its bytes were damaged or missing."


def is_in_index(transaction: Connection, key: int, size: int) -> bool:
    """Return whether the index has an instance's bytes, in their full length."""
    query = select(func.length(instance_bytes.c.dataset)).where(instance_bytes.c.instance == key)
    return transaction.execute(query).scalar_one_or_none() == size


def heal(transaction: Connection, key: int, left: Place | None, arrival: Arrival, now: datetime) -> None:
    """Give an instance the bytes that have arrived. Bytes that it `left` in a store, if any, are set aside."""
    transaction.execute(
        update(instance)
        .where(instance.c.id == key)
        .values(
            residence="local",
            store=arrival.file.store if arrival.file else 1,
            file_key=arrival.file.key if arrival.file else None,
            dataset_offset=arrival.dataset_offset if arrival.file else 0,
            digest=arrival.entry.digest.root,
            digest_algorithm=arrival.entry.digest.algorithm,
        )
    )
    for table in (instance_bytes, instance_pieces):
        transaction.execute(table.delete().where(table.c.instance == key))
    if arrival.entry.digest.pieces:
        pieces = {"instance": key, "digests": arrival.entry.digest.pieces}
        transaction.execute(instance_pieces.insert(), pieces)
    if arrival.dataset is not None:
        transaction.execute(instance_bytes.insert(), {"instance": key, "dataset": arrival.dataset})
    if arrival.entry.metadata is not None:
        transaction.execute(instance_metadata.delete().where(instance_metadata.c.instance == key))
        transaction.execute(instance_metadata.insert(), {"instance": key, "json": arrival.entry.metadata})
    if left is not None:
        remember_to_set_aside(transaction, left)
    tell(transaction, Kind.INSTANCE_HEALED, [key], now)
