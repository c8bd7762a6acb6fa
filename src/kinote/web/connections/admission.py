"""Counts open connections, and chooses which gives way if there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from enum import StrEnum
from typing import Generic, TypeVar


class Refusal(StrEnum):
    """The reason for a refusal; the label of the metric."""

    CONNECTIONS = "connections"
    CONNECTIONS_OF_ADDRESS = "connections of address"
    REQUESTS_OF_CLIENT = "requests of client"
    HANDSHAKE_TOO_SLOW = "handshake too slow"
    HEAD_TOO_LARGE = "head too large"
    HEAD_TOO_SLOW = "head too slow"
    BODY_TOO_SLOW = "body too slow"
    ANSWER_TOO_SLOW = "answer too slow"
    PIPELINED = "pipelined"
    MALFORMED = "malformed"
    GAVE_WAY = "gave way"
    NOT_BY_PROXY = "not by proxy"


Key = TypeVar("Key", bound=Hashable)


class Admission(Generic[Key]):
    """The open connections, by address. Every step takes constant time, however many there are.

    `gives_way` is called with an idle connection that has to be closed, and has been removed. Addresses that are
    `exempt` have no limit of their own: many clients are behind them.
    """

    def __init__(
        self,
        total: int,
        per_address: int,
        gives_way: Callable[[Key], None],
        exempt: Callable[[str], bool] = lambda address: False,
    ) -> None:
        self._total = total
        self._per_address = per_address
        self._gives_way = gives_way
        self._exempt = exempt
        self._open: dict[Key, str] = {}
        self._by_address: Counter[str] = Counter()
        # In the order in which they became idle.
        self._idle: dict[Key, None] = {}
        self._idle_by_address: dict[str, dict[Key, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: Key) -> bool:
        return key in self._open

    def enter(self, key: Key, address: str) -> Refusal | None:
        """Add a new connection, which is idle. Return why it is refused; None if it is not."""
        if self._by_address[address] >= self._per_address and not self._exempt(address):
            oldest = next(iter(self._idle_by_address.get(address, ())), None)
            if oldest is None:
                return Refusal.CONNECTIONS_OF_ADDRESS
            self._let_go(oldest)
        if len(self._open) >= self._total:
            oldest = next(iter(self._idle), None)
            if oldest is None:
                return Refusal.CONNECTIONS
            self._let_go(oldest)
        self._open[key] = address
        self._by_address[address] += 1
        self.idle(key)
        return None

    def busy(self, key: Key) -> None:
        """Note that a connection has a request under way."""
        address = self._open.get(key)
        if address is not None and key in self._idle:
            del self._idle[key]
            of_address = self._idle_by_address[address]
            del of_address[key]
            if not of_address:
                del self._idle_by_address[address]

    def idle(self, key: Key) -> None:
        """Note that a connection has no request under way any more."""
        address = self._open.get(key)
        if address is not None and key not in self._idle:
            self._idle[key] = None
            self._idle_by_address.setdefault(address, {})[key] = None

    def leave(self, key: Key) -> None:
        """Remove a closed connection; nothing if it has been removed."""
        self.busy(key)
        address = self._open.pop(key, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _let_go(self, key: Key) -> None:
        self.leave(key)
        self._gives_way(key)
