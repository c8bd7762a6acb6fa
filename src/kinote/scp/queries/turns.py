"""Limits how many queries are answered at once, in all and for one host."""

from __future__ import annotations

from collections import Counter
from threading import Condition


class Turns:
    """`most` turns, of which one host gets at most `most_per_host`."""

    def __init__(self, most: int, most_per_host: int) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._taken: Counter[str] = Counter()
        self._changed = Condition()

    def take(self, host: str, seconds: float) -> bool:
        """Wait up to `seconds` for a turn. Return whether there is one; the caller then has to give it back."""
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
