"""Sets aside the old files of damaged objects that have been healed. Remembered until it is done.

They no longer have a row, and are kept for a person to look at (law 8).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import index_fact
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.removing.removal import Place, owned_places
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)

_TO_SET_ASIDE = "file to set aside "

_WHY = "Its bytes were not those of the object that it was stored for; the object has come again since."


def remember_to_set_aside(transaction: Connection, place: Place) -> None:
    """Record, in the transaction that gives a row other bytes, that the old ones must go to the quarantine."""
    store, key = place
    written = f"{store} {key}"
    transaction.execute(index_fact.insert(), {"name": _TO_SET_ASIDE + written, "value": written})


def set_aside_remembered(catalog: Catalog, stores: Stores, now: datetime) -> int:
    """Set aside all remembered bytes, unless a row has them after all. Return their number."""
    with catalog.read() as connection:
        is_one = index_fact.c.name.startswith(_TO_SET_ASIDE, autoescape=True)
        written = list(connection.execute(select(index_fact.c.value).where(is_one)).scalars())
        places = [(int(store), key) for store, _, key in (each.partition(" ") for each in written)]
        owned = owned_places(connection, places)
    if not places:
        return 0
    if owned:
        log.error("Bytes stay that were to be set aside: the index has them: %d", len(owned))
    number = stores.set_aside([place for place in places if place not in owned], why=_WHY, now=now)
    catalog.write(lambda transaction: _forget(transaction, written))
    return number


def _forget(transaction: Connection, written: Sequence[str]) -> None:
    transaction.execute(
        index_fact.delete().where(index_fact.c.name.in_([_TO_SET_ASIDE + each for each in written]))
    )
