"""The scrub: all stored bytes are read and compared: so damage is found while there may be somebody to send again.

What differs is marked as damaged; digests that were taken in an older way are replaced by today's, with those of the
pieces. Bytes that cannot be read now are counted, and say nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.checking import DiffersError, look_through, open_stored
from kinote.holdings.damage import mark_damaged
from kinote.holdings.newer_digests import replace_digest
from kinote.holdings.stored import Stored, stored_bytes
from kinote.storage.digests import BLAKE3, UnknownAlgorithmError
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Rows that are looked up at once; those in the index bring their bytes along.
_PAGE = 100


@dataclass(slots=True)
class Scrubbed:
    """What a scrub has found: objects and bytes read, and of the objects those with a finding.

    `unreadable` objects could not be read now. `renewed` have got a digest as it is taken today.
    """

    objects: int = 0
    bytes: int = 0
    damaged: int = 0
    unreadable: int = 0
    renewed: int = 0


def to_be_scrubbed(connection: Connection) -> int:
    """How many objects a scrub reads: all whose bytes are here, whatever their standing."""
    query = select(func.count()).select_from(instance).where(instance.c.residence == "local")
    return int(connection.execute(query).scalar_one())


def scrub(
    catalog: Catalog,
    stores: Stores,
    clock: Clock,
    *,
    store_is_there: Callable[[int], bool],
    passed: Callable[[], object] = lambda: None,
) -> Scrubbed:
    """Read and compare all bytes that are here; `passed` is called after each object.

    `store_is_there` says whether a store can be reached: a missing object says nothing where it cannot.
    """
    found = Scrubbed()
    for stored in _all_local(catalog):
        _scrub_one(catalog, stores, clock, stored, store_is_there, found)
        passed()
    return found


def _all_local(catalog: Catalog) -> Iterator[Stored]:
    query = stored_bytes(instance).order_by(instance.c.id).limit(_PAGE)
    after = 0
    while True:
        with catalog.read() as connection:
            rows = connection.execute(
                query.where(instance.c.id > after, instance.c.residence == "local")
            ).all()
        if not rows:
            return
        yield from (Stored(*row) for row in rows)
        after = rows[-1].id


def _scrub_one(
    catalog: Catalog,
    stores: Stores,
    clock: Clock,
    stored: Stored,
    store_is_there: Callable[[int], bool],
    found: Scrubbed,
) -> None:
    found.objects += 1
    try:
        with open_stored(stores, stored) as file:
            digest = look_through(file, stored)
    except DiffersError as error:
        if error.difference == "missing" and stored.file_key is not None and not store_is_there(stored.store):
            found.unreadable += 1
        elif mark_damaged(catalog, stored, error.difference, clock()):
            found.damaged += 1
        return
    except (OSError, UnknownAlgorithmError) as error:
        found.unreadable += 1
        uid = stored.sop_instance_uid
        log.warning("An object cannot be read now: %s", error, extra={"sop_instance_uid": uid})
        return
    found.bytes += stored.size
    if stored.digest_algorithm != BLAKE3:
        renewing = catalog.submit(
            lambda transaction: replace_digest(transaction, stored, digest), background=True
        )
        found.renewed += renewing.result()
