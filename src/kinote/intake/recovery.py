"""Start-up recovery: no bytes without a row (law 8).

A kill can leave files that were placed while the transaction that would have owned them never committed.
Nobody was told that they are stored, so they are removed. Only the hours since the last recovery can
hold such files; files that were to be removed with their rows are remembered (`kinote.intake.removal`).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from kinote.catalog.catalog import Catalog
from kinote.catalog.tables import house
from kinote.intake.removal import owned, remove_remembered
from kinote.storage.local import LocalStorage

log = logging.getLogger(__name__)

_SWEPT = "storage swept until"

#: A clock that was set back may have put files into hours already swept.
_CLOCK_TOLERANCE = timedelta(hours=2)


def recover(catalog: Catalog, storage: LocalStorage) -> int:
    """Remove what the last process left half-done; gives the number of files removed.

    To be called only while nobody else uses the data directory.
    """
    removed = storage.discard_incoming() + remove_remembered(catalog, storage)
    now = datetime.now(UTC)
    with catalog.read() as connection:
        swept = connection.execute(select(house.c.value).where(house.c.name == _SWEPT)).scalar_one_or_none()
    for keys in storage.keys_since(swept or ""):
        with catalog.read() as connection:
            orphans = set(keys) - owned(connection, keys)
        storage.remove_durably(orphans)
        removed += len(orphans)
    mark = (now - _CLOCK_TOLERANCE).strftime("%Y/%m/%d/%H")
    catalog.write(lambda transaction: _note_sweep(transaction, mark))
    if removed:
        log.warning("Start-up recovery removed files that no object has: %d", removed)
    return removed


def _note_sweep(transaction: Connection, mark: str) -> None:
    updated = transaction.execute(house.update().where(house.c.name == _SWEPT).values(value=mark))
    if updated.rowcount == 0:
        transaction.execute(house.insert(), {"name": _SWEPT, "value": mark})
