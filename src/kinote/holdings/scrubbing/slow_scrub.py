"""The scrub of a running server: everything is read within a set time, a little at a time, again and again.

It reads a slice, pauses, and stores its progress in the index. One of several servers does it. After a kill, what was
read since the progress was last stored is read again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.scrub_passes import COUNTED, ScrubPass, is_next_due, keep_pass, take_pass
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.holdings.scrubbing.pace import OPENING, SLICE, Pace, bytes_left
from kinote.holdings.scrubbing.scrub import ObjectScrub, count, local_after
from kinote.holdings.stored import Stored
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

#: Seconds until the next look whether there is something to do.
_LOOK_AGAIN = 60.0

_NEVER = datetime.min.replace(tzinfo=UTC)

#: How often the progress is stored, and how often the amount left is estimated.
_KEEP_EVERY = timedelta(minutes=1)
_ESTIMATE_EVERY = timedelta(hours=1)

#: Seconds after which a slice ends, however little it has read.
_LONGEST = 0.25

_OBJECTS = Counter(
    "kinote_scrubbed_objects",
    "Objects that the slow scrub has read, by what it found.",
    ["finding"],
    registry=REGISTRY,
)
_BYTES = Counter("kinote_scrubbed_bytes", "Bytes that the slow scrub has read.", registry=REGISTRY)


class EndingError(Exception):
    """The server is being stopped."""


class SlowScrub:
    """The scrub of a node. Each `step` reads one slice.

    `wait` waits for some seconds within a large object, and returns whether the server is being stopped. `steady` is a
    monotonic clock in seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        stores: Stores,
        clock: Clock,
        *,
        node: str,
        within: timedelta,
        store_is_there: Callable[[int], bool],
        wait: Callable[[float], bool],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._node = node
        self._within = within
        self._store_is_there = store_is_there
        self._wait = wait
        self._steady = steady
        self._each = ObjectScrub(catalog, stores, clock, store_is_there)
        #: The current pass, if it is this node's.
        self._pass: ScrubPass | None = None
        self._left = 0
        self._kept_at = self._estimated_at = _NEVER
        #: The current slice: what it has read, and when it began.
        self._read = 0
        self._begun = 0.0

    def step(self) -> float:
        """Read a slice. Return the seconds until the next one. Raises `EndingError`."""
        if not all(self._store_is_there(store.id) for store in self._stores):
            # A missing file says nothing then.
            return _LOOK_AGAIN
        current = self._pass or self._take()
        if current is None:
            return _LOOK_AGAIN
        if self._clock() >= self._estimated_at + _ESTIMATE_EVERY:
            self._estimate(current)
        pause = self._slice(current)
        if current.position >= current.last_key:
            self._finish(current)
            return _LOOK_AGAIN
        if self._clock() >= self._kept_at + _KEEP_EVERY:
            self._keep(current)
        return pause

    def close(self) -> None:
        """Store the progress, and leave the rest to the next node."""
        if self._pass is None:
            return
        current, self._pass = self._pass, None
        try:
            self._catalog.write(lambda transaction: keep_pass(transaction, current, node_after=""))
        except (SQLAlchemyError, CommitInDoubtError):
            log.warning("How far the scrub has come could not be written down", exc_info=True)

    def _take(self) -> ScrubPass | None:
        now = self._clock()
        with self._catalog.read() as connection:
            if not is_next_due(connection, now, self._within):
                return None
        taking = self._catalog.submit(
            lambda transaction: take_pass(transaction, self._node, now, self._within), background=True
        )
        taken = taking.result()
        if taken is None:
            return None
        self._pass = taken
        self._kept_at = now
        self._estimate(taken)
        said = "begins" if taken.position == 0 else "goes on"
        log.info("The scrub %s", said, extra={"scrub_pass": taken.id, "bytes_to_read": self._left})
        return taken

    def _estimate(self, current: ScrubPass) -> None:
        with self._catalog.read() as connection:
            self._left = bytes_left(connection, current.position, current.last_key)
        self._estimated_at = self._clock()

    def _slice(self, current: ScrubPass) -> float:
        self._begin_slice()
        page, until = local_after(self._catalog, current.position, current.last_key)
        for stored in page:
            finding = self._each.look_at(stored, partial(self._passed, stored))
            count(current, stored, finding)
            _OBJECTS.labels(finding).inc()
            current.position = stored.id
            self._read += OPENING
            if self._read >= SLICE or self._steady() - self._begun >= _LONGEST:
                break
        else:
            current.position = until
        return self._pause()

    def _passed(self, stored: Stored, number: int) -> None:
        """Note that a piece of an object has been read. Pause if the object is large."""
        self._read += number
        _BYTES.inc(number)
        if self._read >= SLICE and stored.size > SLICE:
            if self._wait(self._pause(of_size=stored.size)):
                raise EndingError
            self._begin_slice()

    def _begin_slice(self) -> None:
        self._read = 0
        self._begun = self._steady()

    def _pause(self, *, of_size: int = 0) -> float:
        assert self._pass is not None
        self._left = max(self._left - self._read, 0)
        pace = Pace(datetime.fromisoformat(self._pass.begun_at), self._within)
        took = self._steady() - self._begun
        return pace.pause(self._read, took, self._left, self._clock(), of_size=of_size)

    def _keep(self, current: ScrubPass) -> None:
        keeping = self._catalog.submit(
            lambda transaction: keep_pass(transaction, current, node_after=current.node), background=True
        )
        if not keeping.result():
            log.warning("Another server has taken over the scrub", extra={"scrub_pass": current.id})
            self._pass = None
        self._kept_at = self._clock()

    def _finish(self, current: ScrubPass) -> None:
        current.ended_at = timestamp(self._clock())
        finishing = self._catalog.submit(
            lambda transaction: keep_pass(transaction, current, node_after=""), background=True
        )
        if finishing.result():
            found = asdict(current)
            log.info(
                "The scrub has read everything",
                extra={"scrub_pass": current.id, **{name: found[name] for name in COUNTED}},
            )
        self._pass = None
