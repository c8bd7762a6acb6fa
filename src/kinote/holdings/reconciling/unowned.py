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
from kinote.holdings.health import Alert
from kinote.holdings.recovery import MOST_LEFT
from kinote.holdings.removal import Place, is_owned, owed, owned
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: After how long bytes without a row are nobody's: longer than a commit takes, and, while the process lives that wrote
#: them, longer than an upload may take.
_COMMIT, _UPLOAD = timedelta(hours=1), timedelta(hours=48)

#: How long after a failure bytes are tried again that could not be set aside. Each further failure doubles it.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=10), timedelta(days=1)

_WHY = "No object of the index has these bytes, and none has had them for long: the reconciler found them."


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why bytes could not be set aside, how long it was waited after that, and until when."""

    reason: str
    pause: timedelta
    until: datetime


@dataclass(slots=True)
class Unowned:
    """Bytes without a row, and since when they are known; looked at again until a row has them or they are old.

    They are forgotten with the process: the next one looks at them anew.
    """

    since: dict[Place, datetime] = field(default_factory=dict)
    #: Those of them that could not be set aside.
    stuck: dict[Place, Stuck] = field(default_factory=dict)
    #: How many folders and packs the last round could not read, and the first of them; None before it is known.
    unread: tuple[int, str] | None = None
    #: How many there are where they are more than faults can leave: nothing is touched then.
    too_many: int = 0

    def see(self, place: Place, now: datetime) -> None:
        """Remember bytes without a row, up to more than are ever touched."""
        if len(self.since) <= MOST_LEFT:
            self.since.setdefault(place, now)

    def forget(self, place: Place) -> None:
        """Forget bytes that are settled."""
        del self.since[place]
        self.stuck.pop(place, None)

    def remember_failure(self, place: Place, reason: str, now: datetime) -> None:
        """Remember why bytes could not be set aside, and when it is tried again."""
        before = self.stuck.get(place)
        pause = min(before.pause * 2, _LONGEST_PAUSE) if before else _FIRST_PAUSE
        self.stuck[place] = Stuck(reason, pause, now + pause)

    def is_waiting(self, place: Place, now: datetime) -> bool:
        """Return whether it is too early to try again what has failed. A clock that was set back does not count."""
        stuck = self.stuck.get(place)
        return stuck is not None and stuck.until - stuck.pause <= now < stuck.until

    @property
    def alerts(self) -> list[Alert]:
        """What a person has to see to."""
        found = []
        if self.stuck:
            reason = next(iter(list(self.stuck.values()))).reason
            found.append(
                Alert(
                    "FILES_NOT_SET_ASIDE",
                    f"{len(self.stuck)} files that no object has cannot be moved into the quarantine: {reason}. See to "
                    "the disk and to the rights of the server there. It is tried again by itself.",
                )
            )
        if self.unread and self.unread[0]:
            number, first = self.unread
            found.append(
                Alert(
                    "FOLDERS_UNREADABLE",
                    f"{number} folders or packs of the stores could not be read in the last comparison of rows and "
                    f"bytes, among them {first}. See to the disk and to the rights of the server there.",
                )
            )
        return found


def pages(stores: Stores, unread: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Return the keys of all objects in all stores, in parts: the store and some of its keys.

    The paths of what cannot be read are added to `unread`.
    """
    for store in stores:
        for keys in store.keys_since("", unread):
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
    were_too_many = unowned.too_many
    unowned.too_many = len(unowned.since) if len(unowned.since) > MOST_LEFT else 0
    if unowned.too_many:
        if not were_too_many:
            log.error(
                "Objects in the stores are unknown to the index, and are more than a fault leaves: nothing is touched",
                extra={"unknown_files": unowned.too_many},
            )
        return 0
    makers = {store.id: store.maker for store in stores}
    alive = living()
    number = 0
    failed = []
    # One by one: bytes that cannot be moved must not keep the others.
    for place, since in list(unowned.since.items()):
        store, key = place
        if now - since < _COMMIT or unowned.is_waiting(place, now):
            continue
        try:
            patience = _UPLOAD if makers[store](key) in alive else _COMMIT
            if now - since < patience or is_owned(catalog, place):
                continue
            number += stores.set_aside([place], why=_WHY, now=now)
        except OSError as error:
            unowned.remember_failure(place, str(error), now)
            failed.append(str(error))
        else:
            unowned.forget(place)
    if failed:
        log.error("%d files that no row has could not be set aside: %s", len(failed), failed[0])
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
            unowned.forget((store, key))
