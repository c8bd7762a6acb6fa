"""All stores of an installation: which store takes which object, and each store by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

from kinote.storage.quarantine import Quarantine
from kinote.storage.store import Incoming, StorageError, Store

#: The largest image that goes into a pack, in bytes. Larger ones become files of their own.
SMALL = 64 * 1024


class Stores:
    """Large objects go into one store, small ones into another. Stored objects are found by store id and key."""

    def __init__(self, large: Store, small: Store, quarantine: Quarantine, *others: Store) -> None:
        self._large = large
        self._small = small
        self.quarantine = quarantine
        self._by_id: dict[int, Store] = {store.id: store for store in (large, small, *others)}
        self._further: Callable[[int], Store | None] = lambda store: None

    def __iter__(self) -> Iterator[Store]:
        return iter(list(self._by_id.values()))

    def reach(self, further: Callable[[int], Store | None]) -> None:
        """Find further stores by their ids, when they are first needed."""
        self._further = further

    def find(self, store: int) -> Store | None:
        """Return a store by its id; None if this server does not reach it."""
        found = self._by_id.get(store)
        if found is None and (found := self._further(store)) is not None:
            found = self._by_id.setdefault(store, found)
        return found

    def receive(self, now: datetime) -> Incoming:
        """Begin a new object whose size is unknown or more than `SMALL`. Raises `StorageError`."""
        return self._large.receive(now)

    def receive_small(self, now: datetime) -> Incoming:
        """Begin a new object of at most `SMALL` bytes. Raises `StorageError`."""
        return self._small.receive(now)

    @property
    def large(self) -> Store:
        """The store of large objects. It can be pickled: receiver processes write to it themselves."""
        return self._large

    def take_over(self, key: str) -> Incoming:
        """Return a large object that a receiver process has written and finished. Raises `StorageError`."""
        return self._large.take_over(key)

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        """Make finished objects durable, each in its store, and return the error or None of each, in their order."""
        failures: dict[int, StorageError | None] = {}
        for number in {one.store for one in group}:
            store = self._reached(number, "settle")
            mine = [at for at, one in enumerate(group) if one.store == number]
            failures.update(zip(mine, store.settle([group[at] for at in mine]), strict=True))
        return [failures[at] for at in range(len(group))]

    def discard(self, incoming: Incoming) -> None:
        """Remove everything of an object that no row names, whatever its state. Raises OSError."""
        incoming.abandon()
        if incoming.key is not None:
            self._reached(incoming.store, incoming.key).remove([incoming.key])

    def open(self, store: int, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        """Open a stored object as a file. Raises `StorageError` if it does not exist."""
        return self._reached(store, key).open(key, offset, buffered=buffered)

    def remove(self, places: Iterable[tuple[int, str]]) -> None:
        """Delete objects by store and key, durably. Raises `StorageError`."""
        by_store: dict[int, list[str]] = {}
        for store, key in places:
            by_store.setdefault(store, []).append(key)
        for store, keys in by_store.items():
            self._reached(store, keys[0]).remove(keys)

    def set_aside(self, places: Iterable[tuple[int, str]], *, why: str, now: datetime) -> int:
        """Move those objects that exist into the quarantine, by store and key, and return their number."""
        number = 0
        for store, key in places:
            number += self._reached(store, key).set_aside([key], self.quarantine, why=why, now=now)
        return number

    def _reached(self, store: int, key: str) -> Store:
        found = self.find(store)
        if found is None:
            raise StorageError(f"Cannot reach {key}: this server does not reach store {store}")
        return found

    def close(self) -> None:
        for store in self._by_id.values():
            store.close()
