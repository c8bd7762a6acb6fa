"""What a scrub does with each object, and a scrub of all objects at once.

Differing bytes are marked as damaged. Digests of an older algorithm are replaced by current ones, with those of the
pieces. Bytes that cannot be read now are only counted.
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

#: The number of rows looked up at once. Those in the index come with their bytes.
_PAGE = 100

#: The most keys that are searched for them: the bytes of many instances in a row may be elsewhere.
_KEYS = 10_000

#: The number of bytes after which `scrub_after` ends.
_AT_ONCE = 64 * 1024 * 1024

#: The finding about an object: it is what was received, and may have got a current digest; it differs; it cannot be
#: read now; or its row has changed since it was looked up.
Finding = Literal["sound", "renewed", "damaged", "unreadable", "changed"]


class Counts(Protocol):
    """The counts of findings."""

    objects: int
    bytes: int
    damaged: int
    unreadable: int
    renewed: int


@dataclass(slots=True)
class Scrubbed:
    """The result of a scrub: objects and bytes read, and the objects by finding.

    `unreadable` objects could not be read now. `renewed` ones have got a digest of the current algorithm.
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
    """Read and compare some objects after a key. Return the key to continue after, None at the end.

    `store_is_there` tells whether a store can be reached: if not, a missing file proves nothing. `passed` is called
    after each object.
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
    """Return the next objects whose bytes are here, in order of their keys, and the last key searched."""
    until = min(position + _KEYS, last_key)
    query = stored_bytes(instance).where(
        instance.c.id > position, instance.c.id <= until, instance.c.residence == "local"
    )
    with catalog.read() as connection:
        rows = connection.execute(query.order_by(instance.c.id).limit(_PAGE)).all()
    return [Stored(*row) for row in rows], until if len(rows) < _PAGE else rows[-1].id


def count(found: Counts, stored: Stored, finding: Finding) -> None:
    """Count the finding about an object."""
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
    """Reads and compares objects. All its writes are background work."""

    def __init__(
        self, catalog: Catalog, stores: Stores, clock: Clock, store_is_there: Callable[[int], bool]
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._store_is_there = store_is_there

    def look_at(self, stored: Stored, passed: Callable[[int], object] = lambda number: None) -> Finding:
        """Compare an object and act on the result. `passed` is called with the size of each piece."""
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
        """Return whether a file is really missing, rather than its store being away, even for a moment."""
        if stored.file_key is None:
            return True
        try:
            return self._store_is_there(stored.store) and not is_there(self._stores, stored)
        except OSError:
            return False

    def _digest(self, stored: Stored, passed: Callable[[int], object]) -> Digest:
        with open_stored(self._stores, stored) as file:
            # Read from the disk itself, and leave the page cache to others.
            forget_cached(file)
            try:
                return look_through(file, stored, passed)
            finally:
                forget_cached(file)
