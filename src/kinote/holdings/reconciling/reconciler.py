"""The reconciler of a node. Each `step` checks a slice."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta

from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.node_turns import NodeTurn, found_turn, keep_turn, take_turn
from kinote.catalog.schema.tables import instance
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.holdings.reconciling.rows import reconcile_rows
from kinote.holdings.reconciling.unowned import Unowned, look_at, pages, settle
from kinote.holdings.scrubbing.pace import OPENING, Pace
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

NAME = "reconciler"

#: Seconds until the next look whether there is something to do.
_LOOK_AGAIN = 60.0

#: The name of a round's count of folders and packs that it could not read.
_UNREAD = "unread"

_KEEP_EVERY = timedelta(minutes=1)

#: The cost of a key in a store, relative to a row: it is listed and looked up, but not opened.
_KEY = OPENING // 16

_SEEN = Counter(
    "kinote_reconciled",
    "Rows and keys of bytes that the reconciler has looked at, by what it found.",
    ["what", "finding"],
    registry=REGISTRY,
)


class Reconciler:
    """The reconciler of a node: one round each `every`, first over all rows and then over all bytes.

    `living` gives the marks of the processes, including this one, that may have bytes without a row yet.
    """

    def __init__(
        self,
        catalog: Catalog,
        stores: Stores,
        clock: Clock,
        *,
        node: str,
        every: timedelta,
        store_is_there: Callable[[int], bool],
        living: Callable[[], Collection[str]],
        steady: Callable[[], float] = time.monotonic,
        unowned: Unowned | None = None,
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._node = node
        self._every = every
        self._store_is_there = store_is_there
        self._living = living
        self._steady = steady
        self._turn: NodeTurn | None = None
        self._last_key = 0
        self._pages: Iterator[tuple[int, list[str]]] | None = None
        self._unread: list[str] = []
        self._kept_at = datetime.min.replace(tzinfo=clock().tzinfo)
        #: Bytes without a row, found in this round and in earlier ones.
        self.unowned = unowned if unowned is not None else Unowned()

    def step(self) -> float:
        """Check a slice. Return the seconds until the next one."""
        if not all(self._store_is_there(store.id) for store in self._stores):
            # A missing file says nothing then.
            return _LOOK_AGAIN
        self._settle_unowned()
        turn = self._turn or self._take()
        if turn is None:
            return _LOOK_AGAIN
        begun = self._steady()
        cost, left, is_through = self._slice(turn)
        if is_through:
            self._finish(turn)
            return _LOOK_AGAIN
        if self._clock() >= self._kept_at + _KEEP_EVERY:
            self._keep(turn)
        pace = Pace(datetime.fromisoformat(turn.begun_at), self._every)
        return pace.pause(cost, self._steady() - begun, left, self._clock())

    def close(self) -> None:
        """Store the progress, and leave the rest to the next node."""
        if self._turn is None:
            return
        turn, self._turn = self._turn, None
        try:
            self._catalog.write(lambda transaction: keep_turn(transaction, turn, node_after=""))
        except (SQLAlchemyError, CommitInDoubtError):
            log.warning("How far the reconciler has come could not be written down", exc_info=True)

    def _settle_unowned(self) -> None:
        if not self.unowned.since:
            return
        number = settle(self._catalog, self._stores, self.unowned, self._living, self._clock())
        _SEEN.labels("bytes", "set aside").inc(number)

    def _take(self) -> NodeTurn | None:
        now = self._clock()
        with self._catalog.read() as connection:
            found = found_turn(connection, NAME)
            if found is not None and self.unowned.unread is None:
                self.unowned.unread = found.counted.get(_UNREAD, 0), "those that the log names"
            if found is not None and self._is_fresh(found, now):
                return None
            self._last_key = connection.execute(select(func.max(instance.c.id))).scalar_one_or_none() or 0
        taking = self._catalog.submit(
            lambda transaction: take_turn(transaction, NAME, self._node, now), background=True
        )
        turn = taking.result()
        if turn is None or self._is_fresh(turn, now):
            return None
        if not turn.position:
            turn.begun_at, turn.position, turn.counted = timestamp(now), "0", {}
        self._turn, self._pages, self._kept_at = turn, None, now
        return turn

    def _is_fresh(self, turn: NodeTurn, now: datetime) -> bool:
        """Return whether the last round is complete and it is too early for the next. Wrong clocks do not count."""
        return not turn.position and timestamp(now - self._every) < turn.ended_at <= timestamp(now)

    def _slice(self, turn: NodeTurn) -> tuple[int, int, bool]:
        """Check the next rows or keys. Return their cost, the cost of the rest, and whether the round is complete."""
        position = int(turn.position)
        if position < self._last_key:
            number, damaged, until = reconcile_rows(
                self._catalog, self._stores, self._clock, self._store_is_there, position, self._last_key
            )
            turn.position = str(until)
            self._count(turn, "rows", number, "damaged", damaged)
            return number * OPENING, (self._last_key - until) * (OPENING + _KEY), False
        if self._pages is None:
            self._unread = []
            self._pages = pages(self._stores, self._unread)
            turn.counted |= {"bytes": 0, "without a row": 0}
        try:
            page = next(self._pages, None)
            if page is None:
                return 0, 0, True
            store, keys = page
            without = look_at(self._catalog, store, keys, self.unowned, self._clock())
        except Exception:
            # Keys that were not checked must not count as checked: start again with the first bytes.
            self._pages = None
            raise
        self._count(turn, "bytes", len(keys), "without a row", without)
        left = max(turn.counted.get("rows", 0) - turn.counted.get("bytes", 0), 0)
        return len(keys) * _KEY, left * _KEY, False

    def _count(self, turn: NodeTurn, what: str, number: int, finding: str, found: int) -> None:
        turn.counted[what] = turn.counted.get(what, 0) + number
        turn.counted[finding] = turn.counted.get(finding, 0) + found
        _SEEN.labels(what, "in place").inc(number - found)
        _SEEN.labels(what, finding).inc(found)

    def _keep(self, turn: NodeTurn) -> None:
        keeping = self._catalog.submit(
            lambda transaction: keep_turn(transaction, turn, node_after=turn.node), background=True
        )
        if not keeping.result():
            log.warning("Another server has taken over the reconciler")
            self._turn = None
        self._kept_at = self._clock()

    def _finish(self, turn: NodeTurn) -> None:
        turn.position, turn.ended_at = "", timestamp(self._clock())
        self.unowned.unread = len(self._unread), next(iter(self._unread), "")
        if self._unread:
            turn.counted[_UNREAD] = len(self._unread)
        finishing = self._catalog.submit(
            lambda transaction: keep_turn(transaction, turn, node_after=""), background=True
        )
        if finishing.result():
            log.info("Rows and bytes have been compared", extra={"found": turn.counted})
        self._turn = None
