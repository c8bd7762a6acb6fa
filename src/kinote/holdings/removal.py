"""Removing the files of rows that are gone: what has to be removed is remembered until it has been (law 8).

A file that has lain for long is not found by start-up recovery, which looks through the hours since the last one.
No file is removed that a row has, whatever made somebody think that it may go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.statements import FindOne, insert_new
from kinote.catalog.tables import instance, owed_removal
from kinote.catalog.timestamps import timestamp
from kinote.catalog.transactions import Catalog
from kinote.storage.local import LocalStorage

log = logging.getLogger(__name__)

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


def remember(transaction: Connection, file: tuple[int, str], now: datetime) -> None:
    """Say in the transaction that removes the last row of a file (its store and key) that it has to follow."""
    store, key = file
    row = {"store": store, "key": key, "since": timestamp(now)}
    insert_new(transaction, owed_removal, [row], unique=["store", "key"])


def remove_remembered(catalog: Catalog, storage: LocalStorage) -> int:
    """Remove all files that have to be, unless a row has them after all; gives their number."""
    with catalog.read() as connection:
        owed = [(row.store, row.key) for row in connection.execute(select(owed_removal))]
        keys = [key for _, key in owed]
        still_owned = owned(connection, keys)
    if still_owned:
        log.error("Files stay that were to be removed: the index has them: %d", len(still_owned))
    if keys:
        storage.remove_durably(key for key in keys if key not in still_owned)
        catalog.write(lambda transaction: _forget(transaction, owed))
    return len(keys) - len(still_owned)


def _forget(transaction: Connection, files: Sequence[tuple[int, str]]) -> None:
    removed = owed_removal.delete().where(
        owed_removal.c.store == bindparam("of_store"), owed_removal.c.key == bindparam("of_key")
    )
    transaction.execute(removed, [{"of_store": store, "of_key": key} for store, key in files])
