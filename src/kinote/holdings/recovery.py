"""Start-up recovery: no bytes without a row (law 8).

A kill can leave files that were being received, and files that were placed while the transaction that would have
owned them never committed. Nobody was told that they are stored. They are set aside, never deleted: the index may
be the wrong one. Where there are more of them than a kill can leave, that is likely, and nothing is touched until a
person has looked.

Only the hours since the last recovery can hold such files; files that were to be removed with their rows are
remembered (`kinote.holdings.removal`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinote.catalog.facts import fact, write_fact
from kinote.catalog.transactions import Catalog
from kinote.holdings.removal import owned, remove_remembered
from kinote.holdings.setting_aside import set_aside_remembered
from kinote.storage.local import LocalStorage

log = logging.getLogger(__name__)

_SWEPT = "storage swept until"

#: A clock that was set back may have put files into hours already swept.
_CLOCK_TOLERANCE = timedelta(hours=2)

#: Files without a row that a kill can leave at most: objects that are being received (200 associations, 16 bodies of
#: HTTP), those that are on their way to a commit (280), and those of a group that was to be committed (200). Where
#: there are more, the index is not the one that these files belong to.
MOST_LEFT = 1000

_WAS_ARRIVING = (
    "It was still being received when the server ended, so its sender was not told that it is stored."
)
_NO_ROW = "No object of the index has this file, so its sender was not told that it is stored."


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery did: files it set aside, and files of removed rows that it removed.

    `unknown` is the number of files without a row that it did not touch, since no kill leaves so many.
    """

    set_aside: int = 0
    removed: int = 0
    unknown: int = 0


def recover(
    catalog: Catalog, storage: LocalStorage, now: datetime, *, at_most: int | None = MOST_LEFT
) -> Recovered:
    """Set aside what the last process left half-done, unless it is more than `at_most` files.

    To be called only by a server, and while nobody else uses the data directory.
    """
    with catalog.read() as connection:
        swept = fact(connection, _SWEPT) or ""
    arriving = storage.arriving()
    unknown = list(_without_row(catalog, storage, swept, limit=at_most))
    if at_most is not None and len(arriving) + len(unknown) > at_most:
        number = len(arriving) + sum(1 for _ in _without_row(catalog, storage, swept, limit=None))
        log.error(
            "Files of the store are unknown to the index, and are more than a crash can leave: nothing is touched. "
            "See that this is the newest index of this data directory: kinote doctor says what can be done",
            extra={"unknown_files": number},
        )
        return Recovered(unknown=number)
    removed = remove_remembered(catalog, storage)
    set_aside_remembered(catalog, storage, now)
    set_aside = storage.quarantine.set_aside(arriving, why=_WAS_ARRIVING, now=now)
    # Those that were remembered are gone by now.
    left = (path for path in map(storage.path, unknown) if path.exists())
    set_aside += storage.quarantine.set_aside(left, why=_NO_ROW, now=now)
    mark = (now - _CLOCK_TOLERANCE).strftime("%Y/%m/%d/%H")
    catalog.write(lambda transaction: write_fact(transaction, _SWEPT, mark))
    if set_aside:
        log.warning(
            "Start-up recovery set files aside that no object has",
            extra={"files": set_aside, "folder": str(storage.quarantine.folder)},
        )
    return Recovered(set_aside=set_aside, removed=removed)


def _without_row(catalog: Catalog, storage: LocalStorage, hour: str, limit: int | None) -> Iterator[str]:
    """The keys of stored files, from an hour on, that no row has; one more than `limit` at most."""
    found = 0
    for keys in storage.keys_since(hour):
        with catalog.read() as connection:
            known = owned(connection, keys)
        for key in keys:
            if key in known:
                continue
            yield key
            found += 1
            if limit is not None and found > limit:
                return
