"""Which peers and destinations the settings of each server process name.

Where several servers share an index, a row of the settings is in use as long as the settings of one of them name it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from kinote.catalog.nodes import living_nodes
from kinote.catalog.schema.tables import settings_row
from kinote.catalog.sql import dialects

#: The table of a row.
Kind = Literal["peer", "destination", "route"]


def claim(transaction: Connection, node: str, kind: Kind, rows: Iterable[int]) -> None:
    """Record that the settings of a node name these rows, and no others of their kind."""
    transaction.execute(settings_row.delete().where(settings_row.c.node == node, settings_row.c.kind == kind))
    values = [{"node": node, "kind": kind, "row": row} for row in sorted(set(rows))]
    if values:
        transaction.execute(settings_row.insert(), values)


def forget_others(transaction: Connection, node: str, now: datetime) -> None:
    """Remove what nodes named that do not live any more; on SQLite there is no other than this one."""
    alive = {node}
    if dialects.has_several_writers(transaction):
        alive |= {each.id for each in living_nodes(transaction, now)}
    transaction.execute(settings_row.delete().where(settings_row.c.node.not_in(sorted(alive))))


def claimed(connection: Connection, kind: Kind) -> dict[int, set[str]]:
    """Return the rows of a kind that settings name, with the nodes."""
    found: dict[int, set[str]] = {}
    query = select(settings_row.c.row, settings_row.c.node).where(settings_row.c.kind == kind)
    for row, node in connection.execute(query):
        found.setdefault(row, set()).add(node)
    return found
