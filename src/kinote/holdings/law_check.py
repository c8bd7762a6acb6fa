"""Checks the whole store against the laws, without changing anything.

Law 1: counters agree with the live view. Law 4: standing is the result of the withdrawals. Law 8: rows have their
bytes, tombstones have none, and no bytes are without a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, instance_bytes, instance_metadata, key_object
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.reconciling.rows import difference, is_missing
from kinote.holdings.reconciling.unowned import pages
from kinote.holdings.removing.removal import owed, owned
from kinote.holdings.stored import Stored, stored_bytes
from kinote.lifecycle import counts
from kinote.lifecycle.standing import resulting_standings
from kinote.storage.stores import Stores

#: The number of instances checked at once.
_PAGE = 500

#: The number of bytes without a row that are reported with their place.
_TOLD = 100


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach of a law: the number of the law, its subject, and a sentence."""

    law: int
    subject: str
    sentence: str


def check_after(
    catalog: Catalog, stores: Stores, position: int, store_is_there: Callable[[int], bool]
) -> tuple[int, list[Breach], int | None]:
    """Check the next instances. Return their number, the breaches, and the key to continue after.

    After the last instance, counters and the bytes in the stores are checked, and the key is None.
    """
    with catalog.read() as connection:
        rows = connection.execute(
            select(
                instance.c.id,
                instance.c.sop_instance_uid,
                instance.c.standing,
                instance.c.residence,
                instance.c.is_current,
                instance.c.file_key,
                instance_bytes.c.instance.label("has_bytes"),
                instance_metadata.c.instance.label("has_header"),
                key_object.c.version,
                key_object.c.made_from,
            )
            .outerjoin(instance_bytes, instance_bytes.c.instance == instance.c.id)
            .outerjoin(instance_metadata, instance_metadata.c.instance == instance.c.id)
            .outerjoin(key_object, key_object.c.instance == instance.c.id)
            .where(instance.c.id > position)
            .order_by(instance.c.id)
            .limit(_PAGE)
        ).all()
        found = [*_of_standing(connection, rows), *_of_rows(rows)]
        found += _of_bytes(connection, stores, rows, store_is_there)
        if len(rows) == _PAGE:
            return len(rows), found, rows[-1].id
        found += [Breach(1, "", f"A counter is wrong: {each}.") for each in counts.differences(connection)]
    found += _of_stores(catalog, stores)
    return len(rows), found, None


def _of_standing(connection: Connection, rows: Sequence[Any]) -> list[Breach]:
    decided = [row for row in rows if row.is_current and row.standing in ("live", "withdrawn")]
    ought = resulting_standings(connection, [(row.id, row.sop_instance_uid) for row in decided])
    return [
        Breach(
            4, row.sop_instance_uid, f"It is {row.standing}, and by its withdrawals it is {ought[row.id]}."
        )
        for row in decided
        if row.standing != ought[row.id]
    ]


def _of_rows(rows: Sequence[Any]) -> list[Breach]:
    found = []
    for row in rows:
        if (row.standing == "purged") != (row.residence == "none"):
            found.append(
                Breach(8, row.sop_instance_uid, f"It is {row.standing} with residence {row.residence}.")
            )
        elif row.standing == "purged" and (row.file_key or row.has_bytes or row.has_header):
            found.append(Breach(8, row.sop_instance_uid, "It is a tombstone, and something of it is kept."))
        elif row.residence == "derivable" and (row.version is None or row.made_from is None):
            found.append(
                Breach(8, row.sop_instance_uid, "Its bytes are to be made, and nothing says of what.")
            )
        elif row.standing == "live" and not row.is_current:
            found.append(Breach(1, row.sop_instance_uid, "It is live, and its UID means another instance."))
    return found


def _of_bytes(
    connection: Connection, stores: Stores, rows: Sequence[Any], store_is_there: Callable[[int], bool]
) -> list[Breach]:
    keys = [row.id for row in rows if row.residence == "local"]
    found = []
    for start in range(0, len(keys), 100):
        query = stored_bytes(instance).where(instance.c.id.in_(keys[start : start + 100]))
        for row in connection.execute(query):
            stored = Stored(*row)
            differs = difference(stores, stored)
            if differs is not None and (differs != "missing" or is_missing(stores, stored, store_is_there)):
                found.append(Breach(8, stored.sop_instance_uid, f"Its bytes are {differs}."))
    return found


def _of_stores(catalog: Catalog, stores: Stores) -> list[Breach]:
    found: list[Breach] = []
    unread: list[str] = []
    for store, keys in pages(stores, unread):
        with catalog.read() as connection:
            known = owned(connection, store, keys) | owed(connection, store, keys)
        found += [
            Breach(8, f"{store}/{key}", "No object has these bytes; they may be on their way.")
            for key in keys
            if key not in known
        ]
        if len(found) > _TOLD:
            return [*found[:_TOLD], Breach(8, "", "There are more bytes that no object has.")]
    cannot_be_read = [Breach(8, path, "It cannot be read: what is there is not known.") for path in unread]
    return [*found, *cannot_be_read[:_TOLD]]
