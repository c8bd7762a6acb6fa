"""The base of all caches that are keyed by received bytes, with hit counts and one switch for all of them.

Objects of one sender repeat each other: the same codes, the same patient, items of the same structure. A cache
keeps what such bytes mean, so that they are interpreted once. It must never change a result. Tests prove that
by doing the same work with the caches and within `caches_disabled()`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakSet

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """Values by the bytes that they were read from, and by what else decides the meaning of these bytes.

    When the total cost of its entries would exceed `capacity`, the cache is cleared and starts again. That is
    cheaper than keeping track of use, and what recurs is soon there again.

    Any thread may use it: two threads that miss the same key both store the same value. Counts are not exact
    then, since threads do not wait for each other to count.

    Parameters
    ----------
    capacity
        The limit on the total cost of entries, in the unit of the costs given to `store`: entries, unless said
        otherwise.
    """

    #: False within `caches_disabled()`: nothing is stored, so nothing is found.
    enabled: ClassVar[bool] = True

    _all: ClassVar[WeakSet[ByteCache[Any, Any]]] = WeakSet()

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        #: For loops that cannot afford a call for each look-up. They count `hits` themselves.
        self.entries: dict[Key, Value] = {}
        #: The total cost of the entries.
        self.size = 0
        #: How often a value was found, and how often it had to be made.
        self.hits = self.misses = 0
        self._lock = Lock()
        ByteCache._all.add(self)

    def find(self, key: Key) -> Value | None:
        """Return the value of a key, None if it is not there. Counts a hit or a miss."""
        found = self.entries.get(key)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def store(self, key: Key, value: Value, cost: int = 1) -> None:
        """Store a value, or replace the one that this key has at the same cost."""
        with self._lock:
            if key in self.entries or self._make_room(cost):
                self.entries[key] = value

    def clear(self) -> None:
        """Remove all entries. The counts stay."""
        self.entries.clear()
        self.size = 0

    def _make_room(self, cost: int) -> bool:
        """Count a new entry's cost, and clear the cache first if it is full; False while caches are disabled."""
        if not ByteCache.enabled:
            return False
        if self.size + cost > self.capacity:
            self.clear()
        self.size += cost
        return True


@contextmanager
def caches_disabled() -> Iterator[None]:
    """Clear all caches and keep them empty meanwhile, for tests that compare results with and without them."""
    ByteCache.enabled = False
    try:
        for cache in list(ByteCache._all):
            cache.clear()
        yield
    finally:
        ByteCache.enabled = True
