"""The ledger: who has how many bytes of a common total, and who waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

#: Bytes are taken in steps, so that what grows by small pieces seldom needs the lock.
STEP = 64 * 1024

#: A part of the total (one in so many) is kept for charges up to this size: large requests never stop small ones.
_KEPT_FOR_SMALL, SMALL = 8, 1024 * 1024

#: Seconds that a charge waits for memory.
_LONGEST_WAIT = 10.0


class MemoryFullError(RuntimeError):
    """There was no memory in time. Trying again later may help."""

    def __init__(self) -> None:
        super().__init__("Too many large requests have all memory at the moment; try again later.")


class _Waiting:
    """A charge that waits for further bytes. `tell` is called when it has them."""

    __slots__ = ("charge", "further", "has_them", "tell")

    def __init__(self, charge: Charge, further: int, tell: Callable[[], object]) -> None:
        self.charge = charge
        self.further = further
        self.tell = tell
        self.has_them = False


class Ledger:
    """So many bytes that all share. Safe for all threads, and for event loops: none of them ever waits for the lock.

    Who has memory already comes before who has none: it gives back the sooner. Otherwise the first to come is the first
    to get. A charge of more than the whole total waits until it has the total alone.
    """

    def __init__(self, size: int, longest_wait: float = _LONGEST_WAIT) -> None:
        self._size = size
        self._longest_wait = longest_wait
        self._lock = threading.Lock()
        self._held = 0
        #: What was given back while another thread had the lock.
        self._given_back: deque[int] = deque()
        self._growing: deque[_Waiting] = deque()
        self._beginning: deque[_Waiting] = deque()
        self._refused = 0

    @property
    def size(self) -> int:
        """The total, in bytes."""
        return self._size

    @property
    def held(self) -> int:
        """The bytes that are charged now."""
        return max(self._held - sum(tuple(self._given_back)), 0)

    @property
    def refused(self) -> int:
        """How many charges were given up until now, since there was no memory in time."""
        return self._refused

    @property
    def waiting(self) -> int:
        """How many charges wait for memory."""
        return len(self._growing) + len(self._beginning)

    @property
    def longest_wait(self) -> float:
        """Seconds that a charge waits for memory."""
        return self._longest_wait

    def limit(self, size: int, longest_wait: float = _LONGEST_WAIT) -> None:
        """Set the total. What is held already stays."""
        self._size, self._longest_wait = size, longest_wait
        self._give_back(0)

    def open(self) -> Charge:
        """Begin a charge of nothing. It is to be released."""
        return Charge(self)

    # --- for charges ------------------------------------------------------------------------------

    def _take(self, charge: Charge, size: int) -> None:
        told = threading.Event()
        with self._lock:
            waiting = self._asked(charge, size, told.set)
        if waiting is None or told.wait(self._longest_wait):
            return
        with self._lock:
            if self._has_left(waiting):
                raise MemoryFullError

    async def _take_in_loop(self, charge: Charge, size: int) -> None:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        await self._lock_in_loop()
        try:
            waiting = self._asked(charge, size, lambda: loop.call_soon_threadsafe(told.set))
        finally:
            self._lock.release()
        if waiting is None:
            return
        try:
            await asyncio.wait_for(told.wait(), self._longest_wait)
        except BaseException as error:
            await asyncio.shield(self._leave_in_loop(waiting))
            if not isinstance(error, TimeoutError):
                raise
            if not waiting.has_them:
                raise MemoryFullError from None

    async def _leave_in_loop(self, waiting: _Waiting) -> None:
        await self._lock_in_loop()
        try:
            self._has_left(waiting)
        finally:
            self._lock.release()

    async def _lock_in_loop(self) -> None:
        while not self._lock.acquire(blocking=False):
            await asyncio.sleep(0)

    def _give_back(self, size: int) -> None:
        """Whoever has the lock counts it, so that nobody who gives back waits for it."""
        self._given_back.append(size)
        while self._given_back and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()

    # --- with the lock ----------------------------------------------------------------------------

    def _asked(self, charge: Charge, size: int, tell: Callable[[], object]) -> _Waiting | None:
        """Give a charge what it needs to have `size`, or None, where it has to wait."""
        self._count()
        further = min(size, self._size) - charge.size
        if further <= 0:
            return None
        if charge.size + further <= SMALL and self._held + further <= self._size:
            self._give(charge, further)
            return None
        queue = self._growing if charge.size else self._beginning
        is_next = not self._growing and (charge.size or not self._beginning)
        if is_next and self._fits(charge, further):
            self._give(charge, further)
            return None
        waiting = _Waiting(charge, further, tell)
        queue.append(waiting)
        return waiting

    def _fits(self, charge: Charge, further: int) -> bool:
        kept = self._size // _KEPT_FOR_SMALL
        others = self._held - charge.size
        # Alone it may have all.
        return not others or self._held + further <= self._size - kept

    def _give(self, charge: Charge, further: int) -> None:
        self._held += further
        charge.size += further

    def _has_left(self, waiting: _Waiting) -> bool:
        """End the waiting of a charge; whether it has not got what it waited for."""
        if waiting.has_them:
            return False
        (self._growing if waiting in self._growing else self._beginning).remove(waiting)
        self._refused += 1
        self._serve()
        return True

    def _count(self) -> None:
        while self._given_back:
            self._held -= self._given_back.popleft()
        self._serve()

    def _serve(self) -> None:
        while queue := self._growing or self._beginning:
            waiting = queue[0]
            if not self._fits(waiting.charge, waiting.further):
                return
            queue.popleft()
            self._give(waiting.charge, waiting.further)
            waiting.has_them = True
            waiting.tell()


class Charge:
    """What one request, object or frame has of the memory. One thread or task uses it at a time."""

    __slots__ = ("_ledger", "_wanted", "size")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted = 0
        #: The bytes charged.
        self.size = 0

    def reach(self, size: int) -> None:
        """Have at least `size` bytes in all. Waits; raises `MemoryFullError` where there is no memory in time."""
        if size > self._wanted:
            wanted = _in_steps(size)
            self._ledger._take(self, wanted)
            self._wanted = wanted

    def add(self, further: int) -> None:
        """Have so many bytes more than were wanted until now. Waits, and raises, as `reach` does."""
        self._ledger._take(self, self._wanted + further)
        self._wanted += further

    def fall_to(self, size: int) -> None:
        """Have no more than `size` bytes, and give back what is over. Never waits."""
        wanted = _in_steps(size)
        over = self.size - wanted
        if over > 0:
            self.size, self._wanted = wanted, wanted
            self._ledger._give_back(over)

    async def reached(self, size: int) -> None:
        """Like `reach`, in an event loop."""
        if size > self._wanted:
            wanted = _in_steps(size)
            await self._ledger._take_in_loop(self, wanted)
            self._wanted = wanted

    def release(self) -> None:
        """Give everything back. Never waits; may be called again."""
        size, self.size, self._wanted = self.size, 0, 0
        if size:
            self._ledger._give_back(size)

    def __del__(self) -> None:
        """Give back what nobody can release any more, such as a thread that ended in the middle of a request."""
        self.release()

    def __enter__(self) -> Charge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _in_steps(size: int) -> int:
    return -(-size // STEP) * STEP
