"""Removes the bytes of purged objects. If some cannot be removed, they are tried again later, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import owed_removal
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.removal import Place, forget, owned_places, tell_of_kept
from kinote.lifecycle.purging.tombstones import MOST_ATTEMPTS, mark_removed, retry_at
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: The number removed together. It limits how long the index is locked afterwards.
TOGETHER = 100


@dataclass(frozen=True, slots=True)
class _Owed:
    """Bytes to be removed, their tombstone, and the number of failures so far."""

    place: Place
    instance: int
    attempts: int


def remove_purged(
    catalog: Catalog, stores: Stores, now: datetime, store_is_there: Callable[[int], bool]
) -> tuple[int, int]:
    """Remove the bytes of some purged objects. Return how many were removed, and how many could not be.

    Bytes in stores that cannot be reached wait: a missing file would count as removed.
    """
    reached = [store.id for store in stores if store_is_there(store.id)]
    with catalog.read() as connection:
        found = _owed_now(connection, reached, now)
        kept = owned_places(connection, [each.place for each in found])
    if not found:
        return 0, 0
    tell_of_kept(kept)
    failed = _removed_but(stores, [each for each in found if each.place not in kept])
    # If a volume went away meanwhile, its files have not been removed.
    still = {store for store in reached if store_is_there(store)}
    settled = [each for each in found if each.place not in failed and each.place[0] in still]

    def mark(transaction: Connection) -> None:
        forget(transaction, [each.place for each in settled])
        mark_removed(transaction, [each.instance for each in settled], now)
        _remember_failures(transaction, found, failed, now)

    catalog.submit(mark, background=True).result()
    return len(settled), len(failed)


def _owed_now(connection: Connection, stores: Sequence[int], now: datetime) -> list[_Owed]:
    query = (
        select(owed_removal)
        .where(
            owed_removal.c.instance.is_not(None),
            owed_removal.c.store.in_(stores),
            owed_removal.c.attempts < MOST_ATTEMPTS,
            owed_removal.c.retry_at <= timestamp(now),
        )
        .limit(TOGETHER)
    )
    return [_Owed((row.store, row.key), row.instance, row.attempts) for row in connection.execute(query)]


def _removed_but(stores: Stores, wanted: Sequence[_Owed]) -> dict[Place, str]:
    """Remove what can be removed. Return why the others could not be."""
    if not wanted:
        return {}
    try:
        stores.remove([each.place for each in wanted])
    except OSError as error:
        if len(wanted) == 1:
            return {wanted[0].place: str(error)}
        return {place: why for each in wanted for place, why in _removed_but(stores, [each]).items()}
    return {}


def _remember_failures(
    transaction: Connection, found: Sequence[_Owed], failed: Mapping[Place, str], now: datetime
) -> None:
    for each in found:
        if each.place not in failed:
            continue
        store, key = each.place
        log.warning("The bytes of a purged object could not be removed: %s", failed[each.place])
        transaction.execute(
            owed_removal.update()
            .where(owed_removal.c.store == store, owed_removal.c.key == key)
            .values(
                attempts=each.attempts + 1,
                retry_at=retry_at(each.attempts + 1, now),
                reason=failed[each.place],
            )
        )
