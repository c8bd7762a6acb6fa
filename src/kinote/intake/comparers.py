"""The threads that compare arrivals with the first copies under their UIDs, while no transaction waits for them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.arrival import Arrival
from kinote.intake.same_content import OpenCopy, compare_arrival

log = logging.getLogger(__name__)

#: Comparisons at once. They are rare, and each takes a processor; those who wait for one have sent a UID again.
_AT_ONCE = 2

#: Arrivals of one sender, and of all, that wait for their comparison. Further ones are compared in the background.
_MOST_OF_ONE = 8
_MOST = 64

_Then = Callable[[], None]


class Comparers:
    """Compares arrivals: those of a sender in the order in which they come, and senders in turn.

    `close()` waits until all are compared.
    """

    def __init__(self, catalog: Catalog, open_copy: OpenCopy) -> None:
        self._catalog = catalog
        self._open_copy = open_copy
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="comparing")
        self._changing = threading.Lock()
        #: What waits, by its sender. The sender whose turn it is comes first. None has an empty line.
        self._lines: dict[tuple[str, ...], deque[tuple[Arrival, _Then]]] = {}
        self._waiting = 0

    def compare(self, arrival: Arrival, then: _Then) -> None:
        """Give an arrival its verdict in another thread, and call `then`.

        If too many wait, it is left to the background at once.
        """
        if self._line_up(arrival, then):
            self._threads.submit(self._next)
            return
        arrival.is_compared_later = True
        arrival.comparisons_left = 0
        then()

    def _line_up(self, arrival: Arrival, then: _Then) -> bool:
        sender = _sender(arrival)
        with self._changing:
            line = self._lines.get(sender, deque())
            if len(line) >= _MOST_OF_ONE or self._waiting >= _MOST:
                return False
            line.append((arrival, then))
            self._lines[sender] = line
            self._waiting += 1
        return True

    def _next(self) -> None:
        with self._changing:
            sender = next(iter(self._lines))
            line = self._lines.pop(sender)
            arrival, then = line.popleft()
            if line:
                self._lines[sender] = line
            self._waiting -= 1
        self._compare(arrival, then)

    def _compare(self, arrival: Arrival, then: _Then) -> None:
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


def _sender(arrival: Arrival) -> tuple[str, ...]:
    """Return what a sender is known by: its address, where it has one, because it may give itself any name."""
    row = arrival.entry.instance_row
    address = str(row["brought_by_address"])
    return (address,) if address else (str(row["brought_by_kind"]), str(row["brought_by_name"]))
