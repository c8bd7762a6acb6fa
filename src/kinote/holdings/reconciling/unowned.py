"""From bytes to rows: no bytes may be in a store without a row, except those being received.

Start-up recovery looks at what arrived since the last one. This looks at everything, so it also finds bytes that a
fault left while the server ran, or that came back from a copy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.health import Alert
from kinote.holdings.opening.recovery import MOST_LEFT
from kinote.holdings.removing.removal import Place, is_owned, owed, owned
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

#: The age at which bytes without a row have no owner. It is longer than a commit takes, and longer than an upload may
#: take while the process that wrote them lives.
_COMMIT, _UPLOAD = timedelta(hours=1), timedelta(hours=48)

#: The time until bytes are tried again that could not be set aside. Each further failure doubles it.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=10), timedelta(days=1)

_WHY = "No object of the index has these bytes, and none has had them for long: the reconciler found them."


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why bytes could not be set aside, how long the last wait was, and when it ends."""

    reason: str
    pause: timedelta
    until: datetime


@dataclass(slots=True)
class Unowned:
    """Bytes without a row, and when they were first seen. They are checked until they have a row or are old.

    They are kept in memory only: the next process finds them again.
    """

    since: dict[Place, datetime] = field(default_factory=dict)
    #: Those of them that could not be set aside.
    stuck: dict[Place, Stuck] = field(default_factory=dict)
    #: How many folders and packs the last round could not read, and the first of them; None before the first round.
    unread: tuple[int, str] | None = None
    #: Their number, if it is more than faults can leave: nothing is touched then.
    too_many: int = 0

    def see(self, place: Place, now: datetime) -> None:
        """Remember bytes without a row, up to one more than may be touched."""
        if len(self.since) <= MOST_LEFT:
            self.since.setdefault(place, now)

    def forget(self, place: Place) -> None:
        """Forget bytes that are settled."""
        del self.since[place]
        self.stuck.pop(place, None)

    def remember_failure(self, place: Place, reason: str, now: datetime) -> None:
        """Remember why bytes could not be set aside, and when to try again."""
        before = self.stuck.get(place)
        pause = min(before.pause * 2, _LONGEST_PAUSE) if before else _FIRST_PAUSE
        self.stuck[place] = Stuck(reason, pause, now + pause)

    def is_waiting(self, place: Place, now: datetime) -> bool:
        """Return whether it is too early to retry a failure. A clock that was set back does not delay it."""
        stuck = self.stuck.get(place)
        return stuck is not None and stuck.until - stuck.pause <= now < stuck.until

    @property
    def alerts(self) -> list[Alert]:
        """The alerts about them."""
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
    """Yield the keys of all objects in all stores, in parts: the store and some of its keys.

    The paths of what cannot be read are added to `unread`.
    """
    for store in stores:
        for keys in store.keys_since("", unread):
            yield store.id, keys


def look_at(catalog: Catalog, store: int, keys: list[str], unowned: Unowned, now: datetime) -> int:
    """Remember those of the keys that no row has. Return how many there are."""
    with catalog.read() as connection:
        known = owned(connection, store, keys) | owed(connection, store, keys)
    without = [key for key in keys if key not in known]
    for key in without:
        unowned.see((store, key), now)
    return len(without)


def settle(
    catalog: Catalog, stores: Stores, unowned: Unowned, living: Callable[[], Collection[str]], now: datetime
) -> int:
    """Set those aside that have had no row for long enough. Return how many.

    If there are more than faults can leave, the index may be the wrong one, and a person has to look.
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
    # One by one: bytes that cannot be moved must not hold up the others.
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
    """Forget those that have got a row, or are to be removed."""
    for store in {store for store, _ in unowned.since}:
        keys = [key for at, key in unowned.since if at == store]
        with catalog.read() as connection:
            known = owned(connection, store, keys) | owed(connection, store, keys)
        for key in known:
            unowned.forget((store, key))
