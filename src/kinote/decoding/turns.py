"""Whose frame is decoded next: studies take turns, and one whose frames do harm leaves room for the others."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from kinote.decoding.errors import DecodingCancelledError, DecodingUnavailableError

#: Seconds in which a study whose frame did harm has its share of the processes only.
_SUSPECTED = 60.0

#: Seconds between two looks at whether who waits has gone.
_LOOKING = 0.25


class _Ticket:
    """A frame that waits for its turn, and the memory that it may take."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.is_granted = False
        self.called = threading.Event()


class Turns:
    """So many frames at once, in turns by their study.

    Studies of which a frame has done harm (it ran over its limits, or crashed) have half of the places together for
    a minute, and one at least.

    Frames at work take `memory` bytes together at most, or one is at work alone. The one whose turn it is is waited for
    where it needs more than is free: those after it would keep it waiting for ever.
    """

    def __init__(self, places: int, memory: int) -> None:
        self._free_memory = self._memory = memory
        self._lock = threading.Lock()
        self._free = places
        self._suspects_places = max(places // 2, 1)
        self._waiting: OrderedDict[str, deque[_Ticket]] = OrderedDict()
        self._at_work: Counter[str] = Counter()
        self._suspected: dict[str, float] = {}

    def take(
        self, study: str, seconds: float, memory: int, is_cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Wait for a place and so much memory, which are to be given back.

        Raises `DecodingUnavailableError` where there is none in that time, and `DecodingCancelledError`.
        """
        ticket = _Ticket(self._bounded(memory))
        with self._lock:
            self._waiting.setdefault(study, deque()).append(ticket)
            self._grant()
        until = time.monotonic() + seconds
        while not ticket.called.wait(min(_LOOKING, max(until - time.monotonic(), 0))):
            is_late = time.monotonic() >= until
            if not is_late and not (is_cancelled is not None and is_cancelled()):
                continue
            with self._lock:
                if ticket.is_granted:
                    return
                self._leave(study, ticket)
                # It may have been the one for which others waited.
                self._grant()
            if is_late:
                raise DecodingUnavailableError("All decoding processes are busy; try again later.")
            raise DecodingCancelledError("Nobody waits for the frame any more.")

    def give_back(self, study: str, memory: int, *, did_harm: bool = False) -> None:
        """Give back what was taken, and say whether the frame ran over its limits or crashed."""
        with self._lock:
            self._free += 1
            self._free_memory += self._bounded(memory)
            self._at_work[study] -= 1
            if not self._at_work[study]:
                del self._at_work[study]
            if did_harm:
                self._suspected[study] = time.monotonic() + _SUSPECTED
            self._grant()

    def _bounded(self, memory: int) -> int:
        return min(memory, self._memory)

    def _leave(self, study: str, ticket: _Ticket) -> None:
        waiting = self._waiting[study]
        waiting.remove(ticket)
        if not waiting:
            del self._waiting[study]

    def _grant(self) -> None:
        """Give free places to those that wait."""
        if not self._waiting:
            return
        now = time.monotonic()
        self._suspected = {study: until for study, until in self._suspected.items() if until > now}
        while self._free and (study := self._next()) is not None:
            ticket = self._waiting[study][0]
            if ticket.memory > self._free_memory:
                return
            self._waiting[study].popleft()
            self._free_memory -= ticket.memory
            if self._waiting[study]:
                self._waiting.move_to_end(study)
            else:
                del self._waiting[study]
            self._free -= 1
            self._at_work[study] += 1
            ticket.is_granted = True
            ticket.called.set()

    def _next(self) -> str | None:
        """The study whose turn it is, among those that may have a further place."""
        suspects = sum(self._at_work[study] for study in self._suspected)
        for study in self._waiting:
            if study not in self._suspected or suspects < self._suspects_places:
                return study
        return None
