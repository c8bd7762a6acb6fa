"""From bytes to rows: no bytes are in a store that no row has, but for those on their way.

Start-up recovery looks through what has come since the last one. This looks through everything, and finds what recovery
cannot know of: bytes that a fault left while the server ran, or that came back from a copy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.recovery import MOST_LEFT
from kinote.holdings.removal import Place, is_owned, owed, owned
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: After how long bytes without a row are nobody's: longer than a commit takes, and, while the process lives that wrote
#: them, longer than an upload may take.
_COMMIT, _UPLOAD = timedelta(hours=1), timedelta(hours=48)

_WHY = "No object of the index has these bytes, and none has had them for long: the reconciler found them."


@dataclass(slots=True)
class Unowned:
    """Bytes without a row, and since when they are known; looked at again until a row has them or they are old.

    They are forgotten with the process: the next one looks at them anew.
    """

    since: dict[Place, datetime] = field(default_factory=dict)
    #: How many there are where they are more than faults can leave: nothing is touched then.
    too_many: int = 0

    def see(self, place: Place, now: datetime) -> None:
        """Remember bytes without a row, up to more than are ever touched."""
        if len(self.since) <= MOST_LEFT:
            self.since.setdefault(place, now)


def pages(stores: Stores) -> Iterator[tuple[int, list[str]]]:
    """Return the keys of all objects in all stores, in parts: the store and some of its keys."""
    for store in stores:
        for keys in store.keys_since(""):
            yield store.id, keys


def look_at(catalog: Catalog, store: int, keys: list[str], unowned: Unowned, now: datetime) -> int:
    """Remember those of the keys that no row has; gives how many these are."""
    with catalog.read() as connection:
        known = owned(connection, store, keys) | owed(connection, store, keys)
    without = [key for key in keys if key not in known]
    for key in without:
        unowned.see((store, key), now)
    return len(without)


def settle(
    catalog: Catalog, stores: Stores, unowned: Unowned, living: Callable[[], Collection[str]], now: datetime
) -> int:
    """Set those aside that have had no row for long enough; gives how many.

    Where they are more than faults can leave, the index may be the wrong one: a person has to look.
    """
    _forget_owned(catalog, unowned)
    unowned.too_many = len(unowned.since) if len(unowned.since) > MOST_LEFT else 0
    if unowned.too_many:
        log.error(
            "Objects in the stores are unknown to the index, and are more than a fault leaves: nothing is touched",
            extra={"unknown_files": unowned.too_many},
        )
        return 0
    makers = {store.id: store.maker for store in stores}
    alive = living()
    old = []
    for (store, key), since in unowned.since.items():
        patience = _UPLOAD if makers[store](key) in alive else _COMMIT
        if now - since >= patience and not is_owned(catalog, (store, key)):
            old.append((store, key))
    number = stores.set_aside(old, why=_WHY, now=now)
    for place in old:
        del unowned.since[place]
    if number:
        log.warning("Bytes that no row has were set aside", extra={"files": number})
    return number


def _forget_owned(catalog: Catalog, unowned: Unowned) -> None:
    """Forget what a row has by now, or what is to be removed."""
    for store in {store for store, _ in unowned.since}:
        keys = [key for at, key in unowned.since if at == store]
        with catalog.read() as connection:
            known = owned(connection, store, keys) | owed(connection, store, keys)
        for key in known:
            del unowned.since[store, key]
