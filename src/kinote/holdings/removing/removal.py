"""Removes the files of rows that are gone or purged. What has to be removed is remembered until it is done (law 8).

Start-up recovery does not find a file that has lain for long, since it only looks at the time since the last recovery.
A file that has a row is never removed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.schema.tables import instance, owed_removal
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql.statements import FindOne, insert_new
from kinote.catalog.transactions.catalog import Catalog
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: The location of bytes: a store and the key in it.
Place = tuple[int, str]

_owner = FindOne(
    select(instance.c.id).where(
        instance.c.file_key == bindparam("file_key"), instance.c.store == bindparam("store")
    )
)


def is_owned(catalog: Catalog, place: Place) -> bool:
    """Return whether a row has these bytes, among everything committed so far."""
    store, file_key = place
    return catalog.find_latest(_owner, store=store, file_key=file_key) is not None


def owned(
    connection: Connection, store: int, file_keys: Sequence[str], *, residence: str | None = None
) -> set[str]:
    """Return the keys in a store that rows have, limited to this `residence` if one is given."""
    found: set[str] = set()
    for start in range(0, len(file_keys), 500):
        some = file_keys[start : start + 500]
        query = select(instance.c.file_key).where(instance.c.file_key.in_(some), instance.c.store == store)
        if residence is not None:
            query = query.where(instance.c.residence == residence)
        found.update(key for key in connection.execute(query).scalars() if key)
    return found


def owned_places(connection: Connection, places: Sequence[Place]) -> set[Place]:
    """Return the places where bytes of rows lie."""
    return {
        (store, key)
        for store in {store for store, _ in places}
        for key in owned(connection, store, [key for at, key in places if at == store])
    }


def owed(connection: Connection, store: int, file_keys: Sequence[str]) -> set[str]:
    """Return the keys in a store that are still to be removed."""
    found: set[str] = set()
    for start in range(0, len(file_keys), 500):
        some = file_keys[start : start + 500]
        query = select(owed_removal.c.key).where(owed_removal.c.key.in_(some), owed_removal.c.store == store)
        found.update(connection.execute(query).scalars())
    return found


def remember(transaction: Connection, place: Place, now: datetime, *, instance: int | None = None) -> None:
    """Record, in the transaction that removes the last row of some bytes, that the bytes must be removed.

    `instance` is the key of their tombstone.
    """
    store, key = place
    row = {"store": store, "key": key, "since": timestamp(now), "instance": instance}
    insert_new(transaction, owed_removal, [row], unique=["store", "key"])


def remove_remembered(catalog: Catalog, stores: Stores) -> int:
    """Remove all bytes of rows that are gone, unless a row has them after all. Return their number.

    Bytes of purged objects are left to the reaper (`kinote.holdings.reaping`), which removes a few at a time.
    """
    query = select(owed_removal.c.store, owed_removal.c.key).where(owed_removal.c.instance.is_(None))
    with catalog.read() as connection:
        places = [(row.store, row.key) for row in connection.execute(query)]
        kept = owned_places(connection, places)
    tell_of_kept(kept)
    if places:
        stores.remove(place for place in places if place not in kept)
        catalog.write(lambda transaction: forget(transaction, places))
    return len(places) - len(kept)


def tell_of_kept(places: Collection[Place]) -> None:
    """Log that bytes were to be removed but are kept."""
    if places:
        log.error("Bytes stay that were to be removed: the index has them: %d", len(places))


def forget(transaction: Connection, places: Sequence[Place]) -> None:
    """Record that these bytes need not be removed any more."""
    if not places:
        return
    removed = owed_removal.delete().where(
        owed_removal.c.store == bindparam("of_store"), owed_removal.c.key == bindparam("of_key")
    )
    transaction.execute(removed, [{"of_store": store, "of_key": key} for store, key in places])
