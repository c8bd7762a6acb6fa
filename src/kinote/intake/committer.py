"""Group commit across all senders: everything that has arrived meanwhile becomes durable together.

A commit costs more than filing an object. So a group is formed when a writer is ready for it, from all objects that
have arrived until then. It waits for no further objects; these belong to the next group.

The order is law 6: files are synced with their names (before an arrival comes here), small images are put into a
pack with one sync for the group, the transaction is committed, and only then is anybody answered. A group that
fails is filed again object by object, so that a bad object harms no other (law 5). A group that may have been
committed is not filed again.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from kinote.catalog.sql.unavailable import IndexUnavailableError
from kinote.catalog.transactions.catalog import Catalog
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.holdings.in_place import is_in_place
from kinote.intake.arrival import Arrival
from kinote.intake.filing import Filed, IsInPlace, file_arrivals
from kinote.intake.outcome import OUT_OF_RESOURCES, PROCESSING_FAILURE
from kinote.lifecycle.rejection.rules import DEFAULT_RULES, RejectionRules
from kinote.storage.store import StorageError
from kinote.storage.stores import Stores
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: How many objects share one commit at most. This bounds memory, and how long the first of them waits.
GROUP = 200

#: How often an object is filed again after other writers have inserted the same UIDs first.
_ATTEMPTS = 4

#: Failures that say nothing about the objects that were to be filed.
_NOT_THEIR_FAULT = (CommitInDoubtError, IndexUnavailableError)

#: How often an object is compared whose first copy changes meanwhile.
_COMPARISONS = 3

#: Called with the outcome of an arrival, and whether its bytes belong, or may belong, to the index, in the
#: committing thread.
Settle = Callable[[Arrival, Filed], None]

#: Compares an arrival with the first copy under its UID, in a thread of its own, and then calls what is given.
Compare = Callable[[Arrival, Callable[[], None]], None]


class Committer:
    """Files arrivals in groups, through the catalog's writers. `close()` waits until all have been settled.

    A group is formed when a writer is ready for it, not before. It takes everything that has arrived until then.
    """

    def __init__(
        self,
        catalog: Catalog,
        stores: Stores,
        settle: Settle,
        clock: Clock,
        compare: Compare | None = None,
        rejections: RejectionRules = DEFAULT_RULES,
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._clock = clock
        self._is_in_place = partial(is_in_place, stores)
        self._settle = settle
        self._compare = compare
        self._rejections = rejections
        self._changed = threading.Condition()
        self._ready: deque[Arrival] = deque()
        #: Whether a group has been requested that no writer has begun.
        self._announced = False
        self._unsettled = 0

    def submit(self, arrival: Arrival) -> None:
        """Submit an arrival."""
        if self._compare is not None:
            arrival.comparisons_left = _COMPARISONS
        with self._changed:
            self._unsettled += 1
            self._ready.append(arrival)
            if self._announced:
                return
            self._announced = True
        self._announce()

    def close(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._unsettled == 0)

    def _announce(self) -> None:
        group = _Group(self._take, self._stores, self._clock, self._is_in_place, self._rejections)
        self._catalog.submit(group.file).add_done_callback(partial(self._committed, group))

    def _take(self) -> list[Arrival]:
        """Return the next group: the waiting arrivals, up to the maximum."""
        with self._changed:
            arrivals = [self._ready.popleft() for _ in range(min(len(self._ready), GROUP))]
            self._announced = bool(self._ready)
            more = self._announced
        if more:
            self._announce()
        return arrivals

    def _committed(self, group: _Group, done: Future[list[Filed]]) -> None:
        for arrival, refusal in group.refused:
            self._settled(arrival, refused_by_store(arrival, refusal))
        failure = done.exception()
        if failure is not None and not group.has_begun:
            self._refuse_waiting(failure)
        elif failure is None:
            for arrival, filed in zip(group.arrivals, done.result(), strict=True):
                self._settled(arrival, filed)
        elif len(group.arrivals) == 1 or isinstance(failure, _NOT_THEIR_FAULT):
            for arrival in group.arrivals:
                self._failed(arrival, 1, failure)
        else:
            log.info(
                "A group could not be filed together; its objects are filed one by one", exc_info=failure
            )
            for arrival in group.arrivals:
                self._file_alone(arrival, 1)

    def _refuse_waiting(self, failure: BaseException) -> None:
        """Answer all waiting senders that the index could not begin a transaction. They may send again."""
        arrivals = self._take()
        log.error("The index takes nothing; what waited for it is refused", extra={"reason": str(failure)})
        for arrival in arrivals:
            is_said = isinstance(failure, IndexUnavailableError)
            reason = str(failure) if is_said else f"The index cannot be written to now: {failure}"
            outcome = arrival.refusal(OUT_OF_RESOURCES, reason)
            self._settled(arrival, Filed(outcome, kept=False))

    def _file_alone(self, arrival: Arrival, attempt: int) -> None:
        def committed(done: Future[list[Filed]]) -> None:
            failure = done.exception()
            if failure is None:
                self._settled(arrival, done.result()[0])
            else:
                self._failed(arrival, attempt, failure)

        self._catalog.submit(
            lambda transaction: file_arrivals(
                transaction, [arrival], self._clock(), self._is_in_place, self._rejections
            )
        ).add_done_callback(committed)

    def _failed(self, arrival: Arrival, attempt: int, failure: BaseException) -> None:
        """Handle a failed attempt to file one arrival: try again, or refuse it."""
        # Another transaction has inserted the same UID meanwhile. The next attempt sees it.
        if isinstance(failure, IntegrityError) and attempt < _ATTEMPTS:
            self._file_alone(arrival, attempt + 1)
            return
        uid = arrival.entry.sop_instance_uid
        # Whoever sent it may send it again, where the object is not to blame.
        is_to_blame = not isinstance(failure, _NOT_THEIR_FAULT)
        log.error(
            "An object could not be filed",
            exc_info=failure if is_to_blame else None,
            extra={"sop_instance_uid": uid, "reason": str(failure)},
        )
        if is_to_blame:
            outcome = arrival.refusal(PROCESSING_FAILURE, f"The object could not be filed: {failure}")
        else:
            outcome = arrival.refusal(OUT_OF_RESOURCES, str(failure))
        # A row that names its file may exist, or may appear when the index is opened next.
        self._settled(arrival, Filed(outcome, kept=isinstance(failure, CommitInDoubtError)))

    def _settled(self, arrival: Arrival, filed: Filed) -> None:
        if filed.is_undecided:
            assert self._compare is not None
            arrival.comparisons_left -= 1
            # Its bytes are durable already, so it needs no group.
            self._compare(arrival, partial(self._file_alone, arrival, 1))
            return
        try:
            self._settle(arrival, filed)
        except Exception:
            log.exception("A sender could not be told what became of its object")
        with self._changed:
            self._unsettled -= 1
            if not self._unsettled:
                self._changed.notify_all()


class _Group:
    """Arrivals that are filed in one transaction. Those of a failed first attempt stay together for a second one."""

    def __init__(
        self,
        take: Callable[[], list[Arrival]],
        stores: Stores,
        clock: Clock,
        is_in_place: IsInPlace,
        rejections: RejectionRules,
    ) -> None:
        self._take = take
        self._stores = stores
        self._clock = clock
        self._is_in_place = is_in_place
        self._rejections = rejections
        #: Whether it has been formed. It has not if no transaction could be begun.
        self.has_begun = False
        self.arrivals: Sequence[Arrival] = ()
        #: Arrivals whose bytes a store could not make durable.
        self.refused: list[tuple[Arrival, StorageError]] = []

    def file(self, transaction: Connection) -> list[Filed]:
        if not self.has_begun:
            self.has_begun = True
            self.arrivals = self._take()
            self._make_durable()
        return file_arrivals(transaction, self.arrivals, self._clock(), self._is_in_place, self._rejections)

    def _make_durable(self) -> None:
        """Make the bytes of the group durable. A bad file harms no other (law 5).

        This thread does it although the rows could be written at the same time: handing it to another thread and
        back costs more.
        """
        with_files = [(arrival, arrival.file) for arrival in self.arrivals if arrival.file is not None]
        failures: Sequence[StorageError | None]
        try:
            failures = self._stores.settle([file for _, file in with_files])
        except Exception as error:
            # Whatever the error is: nobody may be told that something is stored that may not be durable.
            log.exception("A store failed in a way that it does not say")
            failures = [StorageError(f"The store failed: {error}")] * len(with_files)
        self.refused = [
            (arrival, failure)
            for (arrival, _), failure in zip(with_files, failures, strict=True)
            if failure is not None
        ]
        if self.refused:
            gone = {id(arrival) for arrival, _ in self.refused}
            self.arrivals = [arrival for arrival in self.arrivals if id(arrival) not in gone]


def refused_by_store(arrival: Arrival, failure: StorageError) -> Filed:
    """Return the outcome of an arrival whose bytes could not be made durable."""
    return Filed(arrival.refusal(OUT_OF_RESOURCES, str(failure)), kept=False)
