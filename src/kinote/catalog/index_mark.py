"""What an index says of itself: to which installation it belongs, whose bytes it knows, when it was last opened.

Read before the catalog is opened, so that nothing is made or changed where it does not belong.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, inspect, literal, select

from kinote.catalog import dialects
from kinote.catalog.facts import fact, write_fact
from kinote.catalog.tables import house, instance

_INSTALLATION = "installation"
_STORE = "store"
_OPENING = "opening"


@dataclass(frozen=True, slots=True)
class IndexMark:
    """The marks of an index; all are None until it has been given any.

    `installation` and `store` are ids. `opening` names the last time that it was opened or closed with its data
    directory. `has_instances` says whether any object was ever filed in it and is still known.
    """

    installation: str | None
    store: str | None
    opening: str | None
    has_instances: bool


def look_at_index(url: str) -> IndexMark | None:
    """The marks of the index at a database address; None where there is none yet, and none is made.

    A database with tables of another program has no marks: opening the catalog refuses it.
    """
    if not dialects.is_there(url):
        return None
    engine = dialects.engine_for(url, pool_size=1)
    try:
        with engine.connect() as connection:
            if not {house.name, instance.name} <= set(inspect(connection).get_table_names()):
                return None
            return IndexMark(
                fact(connection, _INSTALLATION),
                fact(connection, _STORE),
                fact(connection, _OPENING),
                _has_instances(connection),
            )
    finally:
        engine.dispose()


def mark_index(transaction: Connection, *, installation: str, store: str, opening: str) -> None:
    """Write the marks of an index."""
    for name, value in ((_INSTALLATION, installation), (_STORE, store), (_OPENING, opening)):
        write_fact(transaction, name, value)


def _has_instances(connection: Connection) -> bool:
    return connection.execute(select(literal(1)).select_from(instance).limit(1)).first() is not None
