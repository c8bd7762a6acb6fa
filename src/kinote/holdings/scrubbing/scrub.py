"""What a scrub does with each object, and a scrub of all of them at once.

What differs is marked as damaged; digests that were taken in an older way are replaced by today's, with those of the
pieces. Bytes that cannot be read now are counted, and say nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import func, select

from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.checking import DiffersError, is_there, look_through, open_stored
from kinote.holdings.damage import mark_damaged
from kinote.holdings.newer_digests import replace_digest
from kinote.holdings.stored import Stored, stored_bytes
from kinote.storage.digests import BLAKE3, Digest, UnknownAlgorithmError
from kinote.storage.files import forget_cached
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Rows that are looked up at once; those in the index bring their bytes along.
_PAGE = 100

#: Keys that are looked through for them at most: many instances in a row may have their bytes elsewhere.
_KEYS = 10_000

#: Bytes after which `scrub_after` ends.
_AT_ONCE = 64 * 1024 * 1024

#: What was found of an object: it is what was received, and has got a digest as it is taken today; it differs; it
#: cannot be read now; or its row has changed since it was looked up.
Finding = Literal["sound", "renewed", "damaged", "unreadable", "changed"]


class Counts(Protocol):
    """Where a scrub counts what it has found."""

    objects: int
    bytes: int
    damaged: int
    unreadable: int
    renewed: int


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

    def add(self, others: Scrubbed) -> None:
        self.objects += others.objects
        self.bytes += others.bytes
        self.damaged += others.damaged
        self.unreadable += others.unreadable
        self.renewed += others.renewed


def scrub_after(
    catalog: Catalog,
    stores: Stores,
    clock: Clock,
    position: int,
    *,
    store_is_there: Callable[[int], bool],
    passed: Callable[[], object] = lambda: None,
) -> tuple[Scrubbed, int | None]:
    """Read and compare some objects that follow a key; and the key to go on after, None where these were the last.

    `store_is_there` says whether a store can be reached: a missing object says nothing where it cannot. `passed` is
    called after each object.
    """
    found = Scrubbed()
    each = ObjectScrub(catalog, stores, clock, store_is_there)
    with catalog.read() as connection:
        last_key = connection.execute(select(func.max(instance.c.id))).scalar_one_or_none() or 0
    page, until = local_after(catalog, position, last_key)
    for stored in page:
        count(found, stored, each.look_at(stored))
        passed()
        if found.bytes >= _AT_ONCE:
            until = stored.id
            break
    return found, until if until < last_key else None


def scrub(
    catalog: Catalog,
    stores: Stores,
    clock: Clock,
    *,
    store_is_there: Callable[[int], bool],
    passed: Callable[[], object] = lambda: None,
) -> Scrubbed:
    """Read and compare all bytes that are here; otherwise as `scrub_after`."""
    found = Scrubbed()
    position: int | None = 0
    while position is not None:
        some, position = scrub_after(
            catalog, stores, clock, position, store_is_there=store_is_there, passed=passed
        )
        found.add(some)
    return found


def local_after(catalog: Catalog, position: int, last_key: int) -> tuple[Sequence[Stored], int]:
    """The next objects whose bytes are here, in the order of their keys, and up to which key these are all."""
    until = min(position + _KEYS, last_key)
    query = stored_bytes(instance).where(
        instance.c.id > position, instance.c.id <= until, instance.c.residence == "local"
    )
    with catalog.read() as connection:
        rows = connection.execute(query.order_by(instance.c.id).limit(_PAGE)).all()
    return [Stored(*row) for row in rows], until if len(rows) < _PAGE else rows[-1].id


def count(found: Counts, stored: Stored, finding: Finding) -> None:
    """Add what was found of an object."""
    found.objects += 1
    match finding:
        case "sound" | "renewed":
            found.bytes += stored.size
            found.renewed += finding == "renewed"
        case "damaged":
            found.damaged += 1
        case "unreadable":
            found.unreadable += 1


class ObjectScrub:
    """Reads and compares objects. All that it writes is background work."""

    def __init__(
        self, catalog: Catalog, stores: Stores, clock: Clock, store_is_there: Callable[[int], bool]
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._store_is_there = store_is_there

    def look_at(self, stored: Stored, passed: Callable[[int], object] = lambda number: None) -> Finding:
        """Compare an object and do what follows of it; `passed` is told of each piece how many bytes it has."""
        try:
            digest = self._digest(stored, passed)
        except DiffersError as error:
            if error.difference == "missing" and not self._is_missing(stored):
                return "unreadable"
            is_marked = mark_damaged(self._catalog, stored, error.difference, self._clock(), background=True)
            return "damaged" if is_marked else "changed"
        except (OSError, UnknownAlgorithmError) as error:
            uid = stored.sop_instance_uid
            log.warning("An object cannot be read now: %s", error, extra={"sop_instance_uid": uid})
            return "unreadable"
        if stored.digest_algorithm == BLAKE3:
            return "sound"
        renewing = self._catalog.submit(
            lambda transaction: replace_digest(transaction, stored, digest), background=True
        )
        return "renewed" if renewing.result() else "sound"

    def _is_missing(self, stored: Stored) -> bool:
        """Whether what was not there is not, and that of itself: its store may be away, or have been for a moment."""
        if stored.file_key is None:
            return True
        try:
            return self._store_is_there(stored.store) and not is_there(self._stores, stored)
        except OSError:
            return False

    def _digest(self, stored: Stored, passed: Callable[[int], object]) -> Digest:
        with open_stored(self._stores, stored) as file:
            # What is compared is what lies on the disk, and what others read stays in the cache.
            forget_cached(file)
            try:
                return look_through(file, stored, passed)
            finally:
                forget_cached(file)
