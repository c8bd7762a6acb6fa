"""Limits the memory that re-encoding takes in this process, however many receivers need it at once (law 5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kinote.decoding.errors import DecodingUnavailableError

#: Seconds that a re-encoding waits for memory.
_LONGEST_WAIT = 60.0


class MemoryBudget:
    """A number of bytes that threads share. A need of more than all of it gets it exclusively."""

    def __init__(self, size: int, longest_wait: float = _LONGEST_WAIT) -> None:
        self._size = self._free = size
        self._longest_wait = longest_wait
        self._given_back = threading.Condition()

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes further bytes. All are returned at the end of the block.

        It raises `DecodingUnavailableError` if they are not free in time.
        """
        taken = 0

        def take(further: int) -> None:
            nonlocal taken
            taken += self._take(min(further, self._size - taken))

        try:
            yield take
        finally:
            with self._given_back:
                self._free += taken
                self._given_back.notify_all()

    def _take(self, further: int) -> int:
        until = time.monotonic() + self._longest_wait
        with self._given_back:
            while further > self._free:
                left = until - time.monotonic()
                if left <= 0 or not self._given_back.wait(left):
                    raise DecodingUnavailableError(
                        "Too many large objects are being re-encoded; try again later."
                    )
            self._free -= further
        return further
