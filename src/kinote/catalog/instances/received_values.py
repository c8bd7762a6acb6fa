"""The received values of attributes that corrections have replaced.

For all other attributes, the columns have the received value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import received_value
from kinote.catalog.sql import statements

CorrectedLevel = Literal["patient", "study", "series", "instance"]


def received_values(
    connection: Connection, level: CorrectedLevel, keys: Iterable[int]
) -> dict[int, dict[str, str]]:
    """Return the received values of corrected attributes, by keyword, for those rows of a level that have any."""
    found: dict[int, dict[str, str]] = {}
    for row in _by_row[level](connection, keys):
        found.setdefault(row.key, {})[row.attribute] = row.value
    return found


def _of_level(level: CorrectedLevel) -> statements.LookUp:
    columns = (received_value.c.key, received_value.c.attribute, received_value.c.value)
    query = select(*columns).where(received_value.c.level == level)
    return statements.LookUp(query.order_by(received_value.c.attribute), received_value.c.key)


_by_row: dict[CorrectedLevel, statements.LookUp] = {
    level: _of_level(level) for level in ("patient", "study", "series", "instance")
}
