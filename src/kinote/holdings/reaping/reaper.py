"""The reaper of a node. Each `step` does a little.

It reads which instances have been withdrawn for long enough, and never looks at jobs (law 2). Each transaction decides
again. If it fails, its objects are tried one by one, so that a bad one harms no other; failures are recorded with the
reason. While the clock is in doubt (`clock_check`), no new tombstones are made.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import prometheus_client
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.node_turns import NodeTurn, keep_turn, take_turn
from kinote.catalog.patients_of import studies_of_copies
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.holdings.reaping.clock_check import NAME, ClockCheck
from kinote.holdings.reaping.unlinking import remove_purged
from kinote.holdings.removing.removal import remember
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.purging.tombstones import Tombstone, entomb, remember_failure, withdrawn_after
from kinote.security.actors import KINOTE
from kinote.security.audit.entry import AuditEvent, Concerned, Entry
from kinote.security.audit.writing import Record
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock
from kinote.telemetry.registry import REGISTRY

log = logging.getLogger(__name__)

#: Seconds until the next look if there is nothing to do: at most, and at least.
_LOOK_AGAIN, _SOONEST = 60.0, 1.0

#: The number of withdrawn instances looked at in one step, and of tombstones made in one transaction.
_PAGE, TOGETHER = 400, 40

#: A pause takes this many times as long as the work before it.
_PAUSES = 1.0

#: How often the last time seen is stored.
_KEEP_EVERY = timedelta(minutes=10)

_PURGED = prometheus_client.Counter(
    "kinote_purged_objects", "Withdrawn objects that were made tombstones.", registry=REGISTRY
)
_REMOVED = prometheus_client.Counter(
    "kinote_purged_bytes_removed", "Purged objects whose bytes in a store were removed.", registry=REGISTRY
)
_FAILED = prometheus_client.Counter(
    "kinote_purge_failures",
    "Attempts that failed, by what failed: to make a tombstone, or to remove bytes.",
    ["what"],
    registry=REGISTRY,
)


def _purged(numbers: Counter[str]) -> list[Entry]:
    """Return the entries of the audit trail about purged instances, by study."""
    return [
        Entry(AuditEvent.PURGED, KINOTE, concerned=Concerned(study=study), detail={"instances": number})
        for study, number in sorted(numbers.items())
    ]


class Reaper:
    """The reaper of a node. While no delay is set it makes no tombstones, but removes bytes that have to be
    removed.

    `record` writes to the audit trail what was purged; None if there is no trail.
    """

    def __init__(
        self,
        catalog: Catalog,
        stores: Stores,
        clock: Clock,
        *,
        node: str,
        delays: PurgeDelays,
        store_is_there: Callable[[int], bool],
        steady: Callable[[], float] = time.monotonic,
        record: Record | None = None,
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._node = node
        self._delays = delays
        self._store_is_there = store_is_there
        self._steady = steady
        self._record = record
        self._turn: NodeTurn | None = None
        self._check: ClockCheck | None = None
        self._kept: tuple[float, bool] | None = None
        #: The time of this step, as the clock check has accepted it: the clock may jump at any time.
        self._now = clock()
        #: The key after which the round continues. After a kill, the next round begins with the first key.
        self._after = 0

    def step(self) -> float:
        """Do a little. Return the seconds until the next step."""
        begun = self._steady()
        is_through = self._purge()
        removed, failed = remove_purged(self._catalog, self._stores, self._clock(), self._store_is_there)
        _REMOVED.inc(removed)
        _FAILED.labels("removal").inc(failed)
        if is_through and not removed:
            return self._idle()
        return _PAUSES * (self._steady() - begun)

    def close(self) -> None:
        """Leave the rest to the next node."""
        if self._turn is None:
            return
        turn, self._turn = self._turn, None
        try:
            self._catalog.write(lambda transaction: keep_turn(transaction, turn, node_after=""))
        except (SQLAlchemyError, CommitInDoubtError):
            log.warning("That the reaper has ended could not be written down", exc_info=True)

    def _idle(self) -> float:
        shortest = self._delays.shortest
        if shortest is None:
            return _LOOK_AGAIN
        return min(_LOOK_AGAIN, max(_SOONEST, shortest.total_seconds() / 10))

    def _purge(self) -> bool:
        """Make some tombstones. Return whether the round is complete."""
        if self._delays.is_off:
            return True
        if not self._has_turn() or not self._clock_is_right():
            return True
        with self._catalog.read() as connection:
            page, following = withdrawn_after(connection, self._after, _PAGE, self._delays, self._now)
        keys = [each.instance for each in page if each.due_at <= self._now]
        if keys and not self._take_turn():
            return True
        for start in range(0, len(keys), TOGETHER):
            self._entomb(keys[start : start + TOGETHER])
        self._after = following or 0
        return following is None

    def _has_turn(self) -> bool:
        return self._turn is not None or self._take_turn()

    def _take_turn(self) -> bool:
        """Take the turn, or confirm that it is still this node's."""
        taking = self._catalog.submit(
            lambda transaction: take_turn(transaction, NAME, self._node, self._clock()), background=True
        )
        found = taking.result()
        if found is None:
            self._turn = self._check = None
        elif self._turn is None:
            self._turn, self._check, self._kept = found, ClockCheck(found, self._steady()), None
        return found is not None

    def _clock_is_right(self) -> bool:
        if self._turn is None or self._check is None:
            return False
        turn, steady = self._turn, self._steady()
        self._now = self._clock()
        is_right = self._check.is_right(self._now, steady)
        if (
            self._kept is None
            or self._kept[1] != is_right
            or steady - self._kept[0] >= _KEEP_EVERY.total_seconds()
        ):
            if not is_right and (self._kept is None or self._kept[1]):
                log.error("The clock is in doubt: it says %s. Nothing is purged for now", turn.ended_at)
            keeping = self._catalog.submit(
                lambda transaction: keep_turn(transaction, turn, node_after=turn.node), background=True
            )
            if not keeping.result():
                self._turn = self._check = None
                return False
            self._kept = steady, is_right
        return is_right

    def _entomb(self, keys: Sequence[int]) -> None:
        """Make tombstones together. If that fails, make them one by one, so that a bad one harms no other."""
        try:
            made = self._catalog.submit(partial(self._made, keys), background=True).result()
        except CommitInDoubtError:
            # The next round sees their state.
            log.warning("Whether objects were purged is not known yet", exc_info=True)
        except Exception as error:
            if len(keys) > 1:
                for key in keys:
                    self._entomb([key])
            else:
                self._failed(keys[0], error)
        else:
            _PURGED.inc(len(made))

    def _made(self, keys: Sequence[int], transaction: Connection) -> list[Tombstone]:
        studies = studies_of_copies(transaction, keys) if self._record is not None else {}
        made = entomb(transaction, keys, self._delays, self._now)
        if self._record is not None and made:
            self._record(transaction, _purged(Counter(studies[each.instance] for each in made)), self._now)
        for each in made:
            if each.place is not None:
                remember(transaction, each.place, self._now, instance=each.instance)
        return made

    def _failed(self, key: int, error: Exception) -> None:
        log.error("An object could not be purged", exc_info=error, extra={"instance": key})
        _FAILED.labels("tombstone").inc()
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
        self._catalog.submit(
            lambda transaction: remember_failure(transaction, key, reason, self._clock()), background=True
        ).result()
