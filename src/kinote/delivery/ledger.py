"""The ledger: which system was sent which object, with which answer (law 4).

Entries are gathered in memory and written about once a second, so sending an object costs no SQL. A withdrawal that
commits before an entry is written does not see it. Then the transaction that writes the entry sees the withdrawal, and
records that a rejection note is owed (`kinote.lifecycle.owed.recording`). A kill loses the entries of the last second
or so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.exc import DBAPIError

from kinote.catalog.sql.dialects import may_be_tried_again
from kinote.catalog.sql.unavailable import unavailability
from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.lifecycle.owed.recording import record_given
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two writes.
_EVERY = 1.0

#: The number of rows written in one transaction.
_TOGETHER = 500

#: The number of waiting rows above which a sender must write them first: none may be lost.
_MOST = 50_000

#: The most rows that wait in memory if nothing can be written for long. Further ones are lost.
_BOUND = 200_000

#: Records the outcome of an object: its SOP Instance UID, its state at the receiver, and the answer as text.
Record = Callable[[str, State, str], None]

#: Returns the function that records for a receiver and a service.
RecordFor = Callable[[Receiver, str], Record]


def unrecorded(_uid: str, _state: State, _answer: str) -> None:
    """Record nothing: the receiver is unknown."""


def without_ledger(_to: Receiver, _way: str) -> Record:
    """Return a function that records nothing."""
    return unrecorded


class Ledger:
    """Collects entries about sent objects, and writes them. Thread-safe."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._noting = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: dict[tuple[str, int, str], Given] = {}
        #: The number of lost entries since the last write.
        self._forgotten = 0

    def record_for(self, to: Receiver, way: str) -> Record:
        """Return the function that records what this receiver is sent by a service."""

        def record(uid: str, state: State, answer: str) -> None:
            self.note(Given(uid, to, state, answer, way, self._clock()))

        return record

    def note(self, given: Given) -> None:
        """Note that an object was sent."""
        if not self._has_taken(given):
            # Something may be written again.
            self.write()
            if not self._has_taken(given):
                self._forget()
        elif len(self._waiting) >= _MOST:
            self.write()

    def _has_taken(self, given: Given) -> bool:
        with self._noting:
            if given.key not in self._waiting and len(self._waiting) >= _BOUND:
                return False
            self._waiting[given.key] = given.after(self._waiting.get(given.key))
            return True

    def _forget(self) -> None:
        with self._noting:
            self._forgotten += 1
            is_first = self._forgotten == 1
        if is_first:
            log.error(
                "What was handed out could not be written down for long, and is forgotten from now on: who was given "
                "it will not be told of its withdrawal"
            )

    def step(self) -> float:
        """Write the entries. Return the seconds until the next write."""
        self.write()
        return _EVERY

    def write(self) -> None:
        """Write the entries. What cannot be written now waits for the next time; invalid entries are dropped."""
        with self._writing:
            with self._noting:
                waiting = list(self._waiting.values())
                self._waiting = {}
            for begin in range(0, len(waiting), _TOGETHER):
                group = waiting[begin : begin + _TOGETHER]
                written = self._write_group(group)
                if written < len(group):
                    self._take_back(waiting[begin + written :])
                    return
            if waiting and self._forgotten:
                log.warning("What was handed out is written down again", extra={"forgotten": self._forgotten})
                self._forgotten = 0

    def _write_group(self, group: Sequence[Given]) -> int:
        """Write a group, row by row if one of its rows is at fault. Return how many are settled."""
        try:
            self._write(group)
        except Exception as error:
            if _passes(error):
                log.warning("What was handed out could not be written down now", exc_info=True)
                return 0
            if len(group) > 1:
                return self._write_each(group)
            (given,) = group
            log.exception(
                "What was handed out can never be written down, and is dropped",
                extra={"sop_instance_uid": given.sop_instance_uid, "peer": given.to.peer},
            )
        return len(group)

    def _write_each(self, group: Sequence[Given]) -> int:
        for number, given in enumerate(group):
            if not self._write_group([given]):
                return number
        return len(group)

    def _write(self, rows: Sequence[Given]) -> None:
        self._catalog.submit(partial(record_given, given=rows), background=True).result()

    def _take_back(self, rows: Sequence[Given]) -> None:
        with self._noting:
            newer, self._waiting = self._waiting, {each.key: each for each in rows}
            for key, given in newer.items():
                self._waiting[key] = given.after(self._waiting.get(key))


def _passes(error: Exception) -> bool:
    """Return whether the rows may be written later: the index is away or busy, and the rows are not at fault."""
    if isinstance(error, (CommitInDoubtError, CatalogClosedError, NoConnectionError)):
        return True
    if unavailability(error) is not None:
        return True
    return isinstance(error, DBAPIError) and (error.connection_invalidated or may_be_tried_again(error))
