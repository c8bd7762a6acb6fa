"""Setting aside the files of damaged objects that have been healed: remembered until it has been done.

They are no longer any row's, and are kept for a person to look at (law 8).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.tables import house
from kinote.catalog.transactions import Catalog
from kinote.holdings.removal import owned
from kinote.storage.local import LocalStorage

log = logging.getLogger(__name__)

_TO_SET_ASIDE = "file to set aside "

_WHY = "Its bytes were not those of the object that it was stored for; the object has come again since."


def remember_to_set_aside(transaction: Connection, file_key: str) -> None:
    """Say in the transaction that gives a row other bytes that its old file has to go into the quarantine."""
    transaction.execute(house.insert(), {"name": _TO_SET_ASIDE + file_key, "value": file_key})


def set_aside_remembered(catalog: Catalog, storage: LocalStorage, now: datetime) -> int:
    """Set all files aside that have to be, unless a row has them after all; gives their number."""
    with catalog.read() as connection:
        is_one = house.c.name.startswith(_TO_SET_ASIDE, autoescape=True)
        keys = list(connection.execute(select(house.c.value).where(is_one)).scalars())
        still_owned = owned(connection, keys)
    if not keys:
        return 0
    if still_owned:
        log.error("Files stay that were to be set aside: the index has them: %d", len(still_owned))
    paths = [storage.path(key) for key in keys if key not in still_owned]
    number = storage.quarantine.set_aside((path for path in paths if path.exists()), why=_WHY, now=now)
    catalog.write(lambda transaction: _forget(transaction, keys))
    return number


def _forget(transaction: Connection, keys: Sequence[str]) -> None:
    transaction.execute(house.delete().where(house.c.name.in_([_TO_SET_ASIDE + key for key in keys])))
