"""Start-up recovery: afterwards no bytes are without a row (law 8).

A kill can leave two kinds of objects in a store: those that were being received, and complete ones whose transaction
never committed. Nobody was told that they are stored. They are set aside and never deleted, since the index may be the
wrong one. If there are more of them than a kill can leave, that is likely. Then nothing is touched until a person has
looked.

Only objects that arrived since the last recovery are looked at. Bytes that have to be removed with their rows are
remembered (`kinote.holdings.removing.removal`).

Other servers may be running. What a living process wrote is left alone (`kinote.storage.directory.presence`) until the
first recovery after that process has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kinote.catalog.facts import fact, write_fact
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.removal import owed, owned, remove_remembered
from kinote.holdings.removing.setting_aside import set_aside_remembered
from kinote.storage.store import Store
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: The most objects without a row that a kill can leave. Being received: one for each of 200 associations and 16 HTTP
#: bodies. Waiting for a commit: one for each association, and 512 received by HTTP or from files. This is for all
#: processes of a server together. If there are more, the index does not belong to these objects.
MOST_LEFT = 1000

_NO_ROW = "No object of the index has these bytes, so their sender was not told that they are stored."


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result of recovery: objects set aside, and removed bytes of removed rows.

    `unknown` is the number of objects without a row that were not touched because no kill leaves so many.
    """

    set_aside: int = 0
    removed: int = 0
    unknown: int = 0


#: The marks of the other processes that have the data directory open, each with its start time.
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
    """Set aside what the last process left unfinished, unless it is more than `at_most` objects.

    `left` are files outside of the stores that are certainly not objects of the index. Only a server calls this, before
    it accepts anything, and only one at a time.
    """
    # Taken before anything is looked at: what arrives later is not covered by this recovery.
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
        # Objects whose removal was remembered are gone by now and are skipped.
        set_aside += store.set_aside(unknown[store.id], stores.quarantine, why=_NO_ROW, now=now)
        _remember_position(catalog, store, positions[store.id])
    if set_aside:
        log.warning(
            "Start-up recovery set objects aside that no row has",
            extra={"files": set_aside, "folder": str(stores.quarantine.folder)},
        )
    return Recovered(set_aside=set_aside, removed=removed)


def _of_the_dead(store: Store, keys: list[str], others: Others) -> list[str]:
    """Return the keys that no living process wrote.

    The living processes are listed after the keys have been found. A process that has ended by then commits nothing
    more, and one that began later did not write them.
    """
    living = others()
    return [key for key in keys if store.maker(key) not in living] if living else keys


def _without_row(
    catalog: Catalog, store: Store, others: Others, begun: str, limit: int | None
) -> Iterator[str]:
    """Return the keys of objects without a row that no living process works on, since the last recovery.

    If the clock was set back in between, since the position at which this recovery has `begun`. At most `limit` + 1.
    """
    found = 0
    with catalog.read() as connection:
        position = store.earlier(fact(connection, _swept(store)) or "", begun)
    for found_keys in store.keys_since(position):
        keys = _of_the_dead(store, found_keys, others)
        with catalog.read() as connection:
            # The reaper removes those of purged objects.
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
    """Return the name of the fact that says up to where a store has been looked through."""
    return f"store {store.id} swept until"
