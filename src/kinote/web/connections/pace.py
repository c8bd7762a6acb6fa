"""Measures whether bytes flow as fast as they must."""

from __future__ import annotations


class Pace:
    """At least this many bytes in this many seconds, counted only while somebody waits for them."""

    __slots__ = ("_begun", "_bytes", "_flowed", "_seconds")

    def __init__(self, seconds: float, least_bytes: int) -> None:
        self._seconds = seconds
        self._bytes = least_bytes
        self._begun: float | None = None
        self._flowed = 0

    def rest(self) -> None:
        """Note that nobody waits for bytes now. The time starts again when somebody does."""
        self._begun = None

    def is_too_slow(self, now: float, flowed: int) -> bool:
        """Note that somebody waits, and how many bytes have flowed in all. Return whether these were too few for too
        long.
        """
        if self._begun is None or flowed - self._flowed >= self._bytes:
            self._begun = now
            self._flowed = flowed
            return False
        return now - self._begun > self._seconds
