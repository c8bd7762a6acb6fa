"""Removing the files of rows that are gone: what has to be removed is remembered until it has been (law 8).

A file that has lain for long is not found by start-up recovery, which looks through the hours since the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kinote.catalog.catalog import Catalog
from kinote.catalog.tables import house, instance
from kinote.storage.local import LocalStorage

_TO_REMOVE = "file to remove "


def remember(transaction: Connection, file_key: str) -> None:
    """Say in the transaction that removes the last row of a file that the file has to follow."""
    transaction.execute(house.insert(), {"name": _TO_REMOVE + file_key, "value": file_key})


def remove_remembered(catalog: Catalog, storage: LocalStorage) -> int:
    """Remove all files that have to be, unless a row has them after all; gives their number."""
    with catalog.read() as connection:
        is_one = house.c.name.startswith(_TO_REMOVE, autoescape=True)
        keys = list(connection.execute(select(house.c.value).where(is_one)).scalars())
        owned = keys_with_rows(connection, keys)
    if keys:
        storage.remove_durably(key for key in keys if key not in owned)
        catalog.write(lambda transaction: _forget(transaction, keys))
    return len(keys) - len(owned)


def keys_with_rows(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Which of these files an instance has, whatever its standing."""
    owned: set[str] = set()
    for start in range(0, len(keys), 500):
        query = select(instance.c.file_key).where(instance.c.file_key.in_(keys[start : start + 500]))
        owned.update(key for key in connection.execute(query).scalars() if key)
    return owned


def _forget(transaction: Connection, keys: Sequence[str]) -> None:
    transaction.execute(house.delete().where(house.c.name.in_([_TO_REMOVE + key for key in keys])))
