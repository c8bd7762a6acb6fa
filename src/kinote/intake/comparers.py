"""The threads that compare arrivals with the first copies under their UIDs, while no transaction waits for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.arrival import Arrival
from kinote.intake.same_content import OpenCopy, compare_arrival

log = logging.getLogger(__name__)

#: Comparisons at once. They are rare, and each takes a processor; those who wait for one have sent a UID again.
_AT_ONCE = 2


class Comparers:
    """Compares arrivals, in the order in which they come. `close()` waits until all are compared."""

    def __init__(self, catalog: Catalog, open_copy: OpenCopy) -> None:
        self._catalog = catalog
        self._open_copy = open_copy
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="comparing")

    def compare(self, arrival: Arrival, then: Callable[[], None]) -> None:
        """Give an arrival its verdict, and call `then`, in another thread."""
        self._threads.submit(self._compare, arrival, then)

    def _compare(self, arrival: Arrival, then: Callable[[], None]) -> None:
        try:
            arrival.verdict = compare_arrival(self._catalog, self._open_copy, arrival)
        except Exception:
            # It is held: its sender must be answered, whatever went wrong.
            uid = arrival.entry.sop_instance_uid
            log.exception("An object could not be compared", extra={"sop_instance_uid": uid})
            arrival.comparisons_left = 0
        then()

    def close(self) -> None:
        self._threads.shutdown()
