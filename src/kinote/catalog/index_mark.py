"""The marks of an index: its installation, the stores whose bytes it knows, when it was last opened.

They are read before the catalog is opened, so that nothing is created or changed in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, inspect, literal, select

from kinote.catalog.facts import fact, write_fact
from kinote.catalog.schema.tables import index_fact, instance, store
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import dialects

_INSTALLATION = "installation"
_OPENING = "opening"


@dataclass(frozen=True, slots=True)
class IndexMark:
    """The marks of an index, empty for a new one.

    `installation` is an id. `stores` has the ids of the stores whose objects it knows, by their kinds. `opening`
    identifies the last time that it was opened or closed with its data directory. `has_instances` tells whether it
    has any object.
    """

    installation: str | None
    stores: Mapping[str, str]
    opening: str | None
    has_instances: bool


def look_at_index(url: str) -> IndexMark | None:
    """Return the marks of the index at a database address; None if there is no index, and none is created.

    A database with tables of another program has no marks; opening the catalog rejects it.
    """
    if not dialects.is_there(url):
        return None
    engine = dialects.engine_for(url, pool_size=1)
    try:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            if not {index_fact.name, instance.name} <= tables:
                return None
            return IndexMark(
                fact(connection, _INSTALLATION),
                # An older schema has a single store, without a mark.
                _stores(connection) if store.name in tables else {},
                fact(connection, _OPENING),
                _has_instances(connection),
            )
    finally:
        engine.dispose()


def mark_index(
    transaction: Connection, mark: IndexMark, *, store_ids: Mapping[str, int], host: str, now: datetime
) -> None:
    """Write the marks of an index.

    `store_ids` are the values of `instance.store` for each kind of store. `host` is the machine that reaches the
    stores.
    """
    for name, value in ((_INSTALLATION, mark.installation), (_OPENING, mark.opening)):
        write_fact(transaction, name, value or "")
    known = _stores(transaction)
    for kind, uid in mark.stores.items():
        if kind not in known:
            row = {"id": store_ids[kind], "kind": kind, "uid": uid, "host": host, "made_at": timestamp(now)}
            transaction.execute(store.insert(), row)
        elif known[kind] != uid:
            transaction.execute(store.update().where(store.c.kind == kind).values(uid=uid))


def _stores(connection: Connection) -> Mapping[str, str]:
    return {row.kind: row.uid for row in connection.execute(select(store.c.kind, store.c.uid))}


def _has_instances(connection: Connection) -> bool:
    return connection.execute(select(literal(1)).select_from(instance).limit(1)).first() is not None
