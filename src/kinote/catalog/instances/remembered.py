"""What the writer of SQLite remembers from one group of arrivals to the next: keys, and rows of studies and series.

Most groups add to studies and series that the group before them has added to. Looking these up again costs more than
adding an instance. What is remembered is used only if nothing else has been written since, by whichever statement:
the connection counts the rows that it has changed. What is rolled back is forgotten (`dialects.transaction`,
`dialects.savepoint`). So what is remembered never differs from what a look into the index would find. PostgreSQL has
several writers, and nothing is remembered there.

A row is remembered only once its study or series has live instances. Then its counters do not matter: nobody
describes it anew. What changes standings within a group calls `forget_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from kinote.catalog.sql.dialects import (
    GREATEST_KEYS_KNOWN,
    REMEMBERED,
    ROWS_IN_USE,
    has_several_writers,
)

#: How many studies and series are remembered at most; a study's row has some kilobytes.
_MOST = 512


@dataclass(slots=True)
class Rows:
    """Rows of studies by their UIDs, and of series by the key of their study and their UIDs."""

    studies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    series: dict[tuple[int, str], Mapping[str, Any]] = field(default_factory=dict)

    def clear(self) -> None:
        self.studies.clear()
        self.series.clear()


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What was known when the connection had changed so many rows."""

    changed: int
    rows: Rows
    keys: dict[str, int]


@contextmanager
def remembering(transaction: Connection) -> Iterator[None]:
    """Use in the block what the group before has left, and leave what this one knows, if the block succeeds."""
    if has_several_writers(transaction):
        yield
        return
    info = transaction.info
    driver: Any = transaction.connection.dbapi_connection
    before: _Remembered | None = info.pop(REMEMBERED, None)
    if before is None or before.changed != driver.total_changes:
        before = _Remembered(0, Rows(), {})
    info[ROWS_IN_USE], info[GREATEST_KEYS_KNOWN] = before.rows, before.keys
    try:
        yield
    finally:
        del info[ROWS_IN_USE], info[GREATEST_KEYS_KNOWN]
    info[REMEMBERED] = _Remembered(driver.total_changes, before.rows, before.keys)


def rows_in_use(transaction: Connection) -> Rows:
    """Return the remembered rows; outside of a group none, and what is added to them is forgotten."""
    found: Rows | None = transaction.info.get(ROWS_IN_USE)
    if found is None:
        return Rows()
    if len(found.studies) > _MOST or len(found.series) > _MOST:
        found.clear()
    return found


def forget_rows(transaction: Connection) -> None:
    """Forget rows of studies and series: their descriptions or counters change otherwise than by new instances."""
    found: Rows | None = transaction.info.get(ROWS_IN_USE)
    if found is not None:
        found.clear()
