"""Start-up recovery: no bytes without a row (law 8).

A kill can leave objects in a store that were being received, and whole ones while the transaction that would have
owned them never committed. Nobody was told that they are stored. They are set aside, never deleted: the index may
be the wrong one. Where there are more of them than a kill can leave, that is likely, and nothing is touched until a
person has looked.

Only what has come since the last recovery is looked at; bytes that were to be removed with their rows are remembered
(`kinote.holdings.removal`).

Other servers may be up: what a living process wrote is its own, whatever state it is in (`kinote.storage.presence`).
It is looked at again by the first recovery after the end of that process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kinote.catalog.facts import fact, write_fact
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removal import owed, owned, remove_remembered
from kinote.holdings.setting_aside import set_aside_remembered
from kinote.storage.store import Store
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: Objects without a row that a kill can leave at most: those that are being received (one for each of 200 associations
#: and of 16 bodies of HTTP), and those on their way to a commit (one for each association, and 512 that have come by
#: HTTP or from files), whichever process of a server serves them. Where there are more, the index is not the one that
#: these objects belong to.
MOST_LEFT = 1000

_NO_ROW = "No object of the index has these bytes, so their sender was not told that they are stored."


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery did: objects it set aside, and bytes of removed rows that it removed.

    `unknown` is the number of objects without a row that it did not touch, since no kill leaves so many.
    """

    set_aside: int = 0
    removed: int = 0
    unknown: int = 0


#: The marks of the processes that have the data directory open beside this one, and since when.
Others = Callable[[], Mapping[str, datetime]]


def _nobody() -> Mapping[str, datetime]:
    return {}


def recover(
    catalog: Catalog,
    stores: Stores,
    now: datetime,
    *,
    left: Sequence[Path] = (),
    others: Others = _nobody,
    at_most: int | None = MOST_LEFT,
) -> Recovered:
    """Set aside what the last process left half-done, unless it is more than `at_most` objects.

    `left` are files outside of the stores that are certainly no objects of the index.
    To be called only by a server, before it takes anything in, and by one at a time.
    """
    # Before anything is looked at: what comes later is not covered by this recovery.
    begun = min([now, *others().values()])
    positions = {store.id: store.position(begun) for store in stores}
    unknown = {
        store.id: list(_without_row(catalog, store, others, positions[store.id], limit=at_most))
        for store in stores
    }
    if at_most is not None and sum(map(len, unknown.values())) > at_most:
        number = sum(
            1
            for store in stores
            for _ in _without_row(catalog, store, others, positions[store.id], limit=None)
        )
        log.error(
            "Objects in the stores are unknown to the index, and are more than a crash can leave: nothing is touched. "
            "See that this is the newest index of this data directory: /readyz says what can be done",
            extra={"unknown_files": number},
        )
        return Recovered(unknown=number)
    removed = remove_remembered(catalog, stores)
    set_aside_remembered(catalog, stores, now)
    set_aside = stores.quarantine.move_in(left, why=_NO_ROW, now=now)
    for store in stores:
        # Those that were remembered are gone by now, and are let pass.
        set_aside += store.set_aside(unknown[store.id], stores.quarantine, why=_NO_ROW, now=now)
        _remember_position(catalog, store, positions[store.id])
    if set_aside:
        log.warning(
            "Start-up recovery set objects aside that no row has",
            extra={"files": set_aside, "folder": str(stores.quarantine.folder)},
        )
    return Recovered(set_aside=set_aside, removed=removed)


def _of_the_dead(store: Store, keys: list[str], others: Others) -> list[str]:
    """Those of the keys that no living process gave.

    Who lives is asked once the keys have been found: a process that has ended by then will commit nothing any more,
    and one that began later did not give them.
    """
    living = others()
    return [key for key in keys if store.maker(key) not in living] if living else keys


def _without_row(
    catalog: Catalog, store: Store, others: Others, begun: str, limit: int | None
) -> Iterator[str]:
    """The keys of objects that no row has and no living process is at work on, of those since the last recovery; or
    since the position at which this one has `begun`, if the clock was set back in between.

    One more than `limit` at most.
    """
    found = 0
    with catalog.read() as connection:
        position = store.earlier(fact(connection, _swept(store)) or "", begun)
    for found_keys in store.keys_since(position):
        keys = _of_the_dead(store, found_keys, others)
        with catalog.read() as connection:
            # Those of purged objects are the reaper's.
            known = owned(connection, store.id, keys) | owed(connection, store.id, keys)
        for key in keys:
            if key in known:
                continue
            yield key
            found += 1
            if limit is not None and found > limit:
                return


def _remember_position(catalog: Catalog, store: Store, position: str) -> None:
    catalog.submit(
        lambda transaction: write_fact(transaction, _swept(store), position), background=True
    ).result()


def _swept(store: Store) -> str:
    """The name of the fact up to where a store has been looked through."""
    return f"store {store.id} swept until"
