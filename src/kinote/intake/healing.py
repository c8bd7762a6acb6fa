"""Healing: an object that has come again gives its bytes to the row whose own are damaged or missing (law 7)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from kinote.catalog.changes import Kind
from kinote.catalog.tables import instance, instance_bytes, instance_metadata, instance_pieces
from kinote.holdings.damage import tell
from kinote.holdings.setting_aside import remember_to_set_aside
from kinote.intake.arrival import Arrival

#: What the sender is told, after `stored`.
HEALED = "Healed: the same data set was stored before, and its bytes were damaged or missing."


def is_in_index(transaction: Connection, key: int, size: int) -> bool:
    """Whether an instance's bytes are in the index, as many as they must be."""
    query = select(func.length(instance_bytes.c.dataset)).where(instance_bytes.c.instance == key)
    return transaction.execute(query).scalar_one_or_none() == size


def heal(transaction: Connection, key: int, file_key: str | None, arrival: Arrival, now: datetime) -> None:
    """Give an instance the bytes that have arrived; its file, if it had one, is set aside."""
    transaction.execute(
        update(instance)
        .where(instance.c.id == key)
        .values(
            residence="local",
            file_key=arrival.file.key if arrival.file else None,
            dataset_offset=arrival.dataset_offset if arrival.file else 0,
            digest=arrival.entry.digest,
            digest_algorithm=arrival.digest_algorithm,
        )
    )
    for table in (instance_bytes, instance_pieces):
        transaction.execute(table.delete().where(table.c.instance == key))
    if arrival.dataset is not None:
        transaction.execute(instance_bytes.insert(), {"instance": key, "dataset": arrival.dataset})
    if arrival.entry.metadata is not None:
        transaction.execute(instance_metadata.delete().where(instance_metadata.c.instance == key))
        transaction.execute(instance_metadata.insert(), {"instance": key, "json": arrival.entry.metadata})
    if file_key is not None:
        remember_to_set_aside(transaction, file_key)
    tell(transaction, Kind.INSTANCE_HEALED, [key], now)
