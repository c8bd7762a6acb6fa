"""Group commit across all senders: what has arrived meanwhile becomes durable together.

The order is law 6: data synced (by the sender's thread), names placed and their directory synced,
transaction committed, and only then is anybody told. A group that fails is filed again object by object,
so that a bad object harms no other (law 5).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError

from kinote.catalog.catalog import Catalog
from kinote.intake.arrival import Arrival
from kinote.intake.filing import file_arrivals
from kinote.intake.outcome import OUT_OF_RESOURCES, PROCESSING_FAILURE, Outcome, refused
from kinote.storage.local import LocalStorage, StorageError

log = logging.getLogger(__name__)

#: Objects that share one commit at most: bounds memory and how long the first of them waits.
GROUP = 200

#: How often an object is filed anew after others were quicker with the same UIDs.
_ATTEMPTS = 4


class Committer:
    """The threads that commit arrivals in groups. `close()` commits what was handed over before."""

    def __init__(
        self, catalog: Catalog, storage: LocalStorage, *, observe: Callable[[Outcome], None]
    ) -> None:
        self._catalog = catalog
        self._storage = storage
        self._observe = observe
        self._queue: queue.SimpleQueue[Arrival | None] = queue.SimpleQueue()
        # While one group commits the next is placed; PostgreSQL commits several at once.
        self._threads = [
            threading.Thread(target=self._commit_groups, name=f"intake-committer-{number}", daemon=True)
            for number in range(2 if catalog.is_sqlite else 4)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, arrival: Arrival) -> None:
        self._queue.put(arrival)

    def close(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _commit_groups(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            while len(group) < GROUP:
                try:
                    arrival = self._queue.get_nowait()
                except queue.Empty:
                    break
                if arrival is None:
                    last = True
                    break
                group.append(arrival)
            self._commit(group)
            if last:
                return

    def _commit(self, group: Sequence[Arrival]) -> None:
        try:
            self._storage.place([arrival.file for arrival in group if arrival.file])
        except StorageError as error:
            for arrival in group:
                self.refuse(arrival, OUT_OF_RESOURCES, str(error))
            return
        if len(group) > 1:
            try:
                self._file(group)
                return
            except Exception:
                log.info(
                    "A group could not be filed together; its objects are filed one by one", exc_info=True
                )
        for arrival in group:
            self._commit_alone(arrival)

    def _commit_alone(self, arrival: Arrival) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._file([arrival])
                return
            except IntegrityError as error:
                # Another transaction has brought the same UID meanwhile: what it was is seen next time.
                failure: Exception = error
                if attempt < _ATTEMPTS:
                    continue
            except Exception as error:
                failure = error
            break
        uid = arrival.entry.sop_instance_uid
        log.error("An object could not be filed", exc_info=failure, extra={"sop_instance_uid": uid})
        self.refuse(arrival, PROCESSING_FAILURE, f"The object could not be filed: {failure}")

    def _file(self, group: Sequence[Arrival]) -> None:
        now = datetime.now(UTC)
        filed = self._catalog.write(lambda transaction: file_arrivals(transaction, group, now))
        for arrival, result in zip(group, filed, strict=True):
            if not result.kept:
                self._drop(arrival)
            self._tell(arrival, result.outcome)

    def refuse(self, arrival: Arrival, status: int, reason: str) -> None:
        """Tell that an object cannot be kept, and drop its bytes."""
        self._drop(arrival)
        self._tell(
            arrival,
            refused(
                status,
                reason,
                sop_class_uid=arrival.entry.sop_class_uid,
                sop_instance_uid=arrival.entry.sop_instance_uid,
            ),
        )

    def _drop(self, arrival: Arrival) -> None:
        if arrival.file:
            arrival.file.abandon()
            self._storage.remove(arrival.file.key)

    def _tell(self, arrival: Arrival, outcome: Outcome) -> None:
        self._observe(outcome)
        arrival.done.set_result(outcome)
