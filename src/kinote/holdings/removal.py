"""Removing the files of rows that are gone: what has to be removed is remembered until it has been (law 8).

A file that has lain for long is not found by start-up recovery, which looks through the hours since the last one.
No file is removed that a row has, whatever made somebody think that it may go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.statements import FindOne
from kinote.catalog.tables import house, instance
from kinote.catalog.transactions import Catalog
from kinote.storage.local import LocalStorage

log = logging.getLogger(__name__)

_TO_REMOVE = "file to remove "

_owner = FindOne(select(instance.c.id).where(instance.c.file_key == bindparam("file_key")))


def is_owned(catalog: Catalog, file_key: str) -> bool:
    """Whether a row has this file, among all that has been committed by now."""
    return catalog.find_latest(_owner, file_key=file_key) is not None


def owned(connection: Connection, file_keys: Sequence[str]) -> set[str]:
    """Those of the files that rows have."""
    found: set[str] = set()
    for start in range(0, len(file_keys), 500):
        some = file_keys[start : start + 500]
        query = select(instance.c.file_key).where(instance.c.file_key.in_(some))
        found.update(key for key in connection.execute(query).scalars() if key)
    return found


def remember(transaction: Connection, file_key: str) -> None:
    """Say in the transaction that removes the last row of a file that the file has to follow."""
    transaction.execute(house.insert(), {"name": _TO_REMOVE + file_key, "value": file_key})


def remove_remembered(catalog: Catalog, storage: LocalStorage) -> int:
    """Remove all files that have to be, unless a row has them after all; gives their number."""
    with catalog.read() as connection:
        is_one = house.c.name.startswith(_TO_REMOVE, autoescape=True)
        keys = list(connection.execute(select(house.c.value).where(is_one)).scalars())
        still_owned = owned(connection, keys)
    if still_owned:
        log.error("Files stay that were to be removed: the index has them: %d", len(still_owned))
    if keys:
        storage.remove_durably(key for key in keys if key not in still_owned)
        catalog.write(lambda transaction: _forget(transaction, keys))
    return len(keys) - len(still_owned)


def _forget(transaction: Connection, keys: Sequence[str]) -> None:
    transaction.execute(house.delete().where(house.c.name.in_([_TO_REMOVE + key for key in keys])))
