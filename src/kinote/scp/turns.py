"""How many queries are answered at once, and how many of them for one host."""

from __future__ import annotations

from collections import Counter
from threading import Condition


class Turns:
    """Turns of which there are `most`, for one host `most_per_host`: none of them can take all."""

    def __init__(self, most: int, most_per_host: int) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._taken: Counter[str] = Counter()
        self._changed = Condition()

    def take(self, host: str, seconds: float) -> bool:
        """Wait for a turn, for so many seconds at most; whether there is one, which is then to be given back."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free(host), seconds):
                return False
            self._taken[host] += 1
            return True

    def give_back(self, host: str) -> None:
        with self._changed:
            self._taken[host] -= 1
            if not self._taken[host]:
                del self._taken[host]
            self._changed.notify_all()

    def _is_free(self, host: str) -> bool:
        return self._taken.total() < self._most and self._taken[host] < self._most_per_host
