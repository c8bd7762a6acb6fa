"""The order in which frames are decoded: studies take turns, and studies with harmful frames get fewer processes."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from kinote.decoding.errors import DecodingCancelledError, DecodingUnavailableError

#: Seconds during which a study with a harmful frame is limited to the share for such studies.
_SUSPECTED = 60.0

#: Seconds between two checks for cancellation.
_LOOKING = 0.25


class _Ticket:
    """A waiting frame, and the memory in bytes that it may use."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.is_granted = False
        self.called = threading.Event()


class Turns:
    """Shares `places` among frames, with the studies taking turns. Safe for all threads.

    Studies with a harmful frame, which exceeded its limits or crashed, share half of the places (at least one) for a
    minute.

    All frames being decoded use at most `memory` bytes, unless there is only one. If the next frame needs more memory
    than is free, later frames wait too, since otherwise they could keep it waiting for ever.
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
        """Wait for a place and `memory` bytes. The caller must release them with `give_back`.

        Raises `DecodingUnavailableError` after `seconds`, and `DecodingCancelledError` if `is_cancelled` returns true.
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
                # Others may have been waiting for this one.
                self._grant()
            if is_late:
                raise DecodingUnavailableError("All decoding processes are busy; try again later.")
            raise DecodingCancelledError("The frame is no longer needed.")

    def give_back(self, study: str, memory: int, *, did_harm: bool = False) -> None:
        """Release a place and its memory. `did_harm` tells whether the frame exceeded its limits or crashed."""
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
        """Give free places to waiting frames."""
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
        """Return the study whose turn it is, among those that may have another place."""
        suspects = sum(self._at_work[study] for study in self._suspected)
        for study in self._waiting:
            if study not in self._suspected or suspects < self._suspects_places:
                return study
        return None
