"""From rows to bytes: each row of residence `local` must have its bytes, in full length."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.checking import Difference, DiffersError, is_there, open_stored
from kinote.holdings.damage import mark_damaged
from kinote.holdings.scrubbing.scrub import local_after
from kinote.holdings.stored import Stored
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)


def reconcile_rows(
    catalog: Catalog,
    stores: Stores,
    clock: Clock,
    store_is_there: Callable[[int], bool],
    position: int,
    last_key: int,
) -> tuple[int, int, int]:
    """Check the next rows. Return how many there were, how many were damaged, and the key to continue after."""
    page, until = local_after(catalog, position, last_key)
    damaged = 0
    for stored in page:
        differs = difference(stores, stored)
        if differs is None or (differs == "missing" and not is_missing(stores, stored, store_is_there)):
            continue
        damaged += mark_damaged(catalog, stored, differs, clock(), background=True)
    return len(page), damaged, until


def difference(stores: Stores, stored: Stored) -> Difference | None:
    """Return how the bytes differ, judged by their length; None if it cannot be told now."""
    if stored.file_key is None:
        length = None if stored.dataset is None else len(stored.dataset)
    else:
        try:
            with open_stored(stores, stored) as file:
                length = file.seek(0, io.SEEK_END) - stored.dataset_offset
        except DiffersError as error:
            return error.difference
        except OSError as error:
            log.warning(
                "An object cannot be opened now: %s",
                error,
                extra={"sop_instance_uid": stored.sop_instance_uid},
            )
            return None
    if length is None:
        return "missing"
    if length == stored.size:
        return None
    return "shorter" if length < stored.size else "longer"


def is_missing(stores: Stores, stored: Stored, store_is_there: Callable[[int], bool]) -> bool:
    """Return whether a file is really missing, rather than its store being away."""
    if stored.file_key is None:
        return True
    try:
        return store_is_there(stored.store) and not is_there(stores, stored)
    except OSError:
        return False
