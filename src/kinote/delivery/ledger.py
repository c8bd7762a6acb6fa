"""The ledger: which system was given which object, with which answer (law 4).

It is gathered in memory and written in the background, about once a second: handing out an object costs no statement. A
withdrawal that commits before something is written does not see it; then whoever writes it sees the withdrawal, and
owes its rejection note in the same transaction (`kinote.lifecycle.deliveries`). What a kill leaves unwritten is lost:
the last second or so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError, NoConnectionError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.lifecycle.deliveries import Given, Receiver, State, record_given
from kinote.telemetry.clock import Clock

log = logging.getLogger(__name__)

#: Seconds between two times that it is written.
_EVERY = 1.0

#: Rows that are written in one transaction.
_TOGETHER = 500

#: Rows that wait at most. Beyond that, whoever hands out something writes them first: none may be forgotten.
_MOST = 50_000

#: Records what became of an object: its SOP Instance UID, how it stands with the receiver, and the answer in words.
Record = Callable[[str, State, str], None]

#: Gives what records for a receiver and a service.
RecordFor = Callable[[Receiver, str], Record]


def unrecorded(_uid: str, _state: State, _answer: str) -> None:
    """Nobody knows the receiver."""


def without_ledger(_to: Receiver, _way: str) -> Record:
    """Nothing is written."""
    return unrecorded


class Ledger:
    """Notes what is handed out, and writes it. May be called from any thread."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._noting = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: dict[tuple[str, int, str], Given] = {}

    def record_for(self, to: Receiver, way: str) -> Record:
        """Return what records that this receiver is given something by a service."""

        def record(uid: str, state: State, answer: str) -> None:
            self.note(Given(uid, to, state, answer, way, self._clock()))

        return record

    def note(self, given: Given) -> None:
        """Note that something was handed out."""
        with self._noting:
            self._waiting[given.key] = given.after(self._waiting.get(given.key))
            is_full = len(self._waiting) >= _MOST
        if is_full:
            self.write()

    def step(self) -> float:
        """Write what was noted, and return the seconds until that is to be done again."""
        self.write()
        return _EVERY

    def write(self) -> None:
        """Write what was noted. What cannot be written waits for the next time."""
        with self._writing:
            with self._noting:
                waiting = list(self._waiting.values())
                self._waiting = {}
            for begin in range(0, len(waiting), _TOGETHER):
                try:
                    self._write(waiting[begin : begin + _TOGETHER])
                except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError, NoConnectionError):
                    log.warning("What was handed out could not be written down now", exc_info=True)
                    self._take_back(waiting[begin:])
                    return

    def _write(self, rows: Sequence[Given]) -> None:
        self._catalog.submit(partial(record_given, given=rows), background=True).result()

    def _take_back(self, rows: Sequence[Given]) -> None:
        with self._noting:
            newer, self._waiting = self._waiting, {each.key: each for each in rows}
            for key, given in newer.items():
                self._waiting[key] = given.after(self._waiting.get(key))
