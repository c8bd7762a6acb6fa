"""Keys that other programs are given are never used again."""

from __future__ import annotations

from sqlalchemy import Connection

from kinote.catalog.schema.tables import note
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog


def reserve_and_remove(transaction: Connection) -> list[int]:
    """Keys of rows that are there and gone again: the greatest last, and the greatest first."""
    drawn = []
    for order in (1, -1):
        keys = list(statements.reserve_ids(transaction, note, 3))
        statements.insert_rows(transaction, note, [{"id": key, "origin": "received"} for key in keys])
        for key in keys[::order]:
            transaction.execute(note.delete().where(note.c.id == key))
        drawn += keys
    return drawn


def test_a_key_is_never_anothers(catalog: Catalog) -> None:
    drawn = catalog.write(reserve_and_remove) + catalog.write(reserve_and_remove)
    assert drawn == sorted(set(drawn))
