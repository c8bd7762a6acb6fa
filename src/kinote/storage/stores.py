"""All stores of an installation: which store takes which object, and each store by its id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        self._by_id: Mapping[int, Store] = {store.id: store for store in (large, small, *others)}

    def __iter__(self) -> Iterator[Store]:
        return iter(self._by_id.values())

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
        for number, store in self._by_id.items():
            mine = [at for at, one in enumerate(group) if one.store == number]
            if mine:
                failures.update(zip(mine, store.settle([group[at] for at in mine]), strict=True))
        return [failures[at] for at in range(len(group))]

    def discard(self, incoming: Incoming) -> None:
        """Remove everything of an object that no row names, whatever its state. Raises OSError."""
        incoming.abandon()
        if incoming.key is not None:
            self._by_id[incoming.store].remove([incoming.key])

    def open(self, store: int, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        """Open a stored object as a file. Raises `StorageError` if it does not exist."""
        found = self._by_id.get(store)
        if found is None:
            raise StorageError(f"Cannot open {key}: this server does not reach store {store}")
        return found.open(key, offset, buffered=buffered)

    def remove(self, places: Iterable[tuple[int, str]]) -> None:
        """Delete objects by store and key, durably. Raises `StorageError`."""
        by_store: dict[int, list[str]] = {}
        for store, key in places:
            by_store.setdefault(store, []).append(key)
        for store, keys in by_store.items():
            if store not in self._by_id:
                raise StorageError(f"Cannot remove {keys[0]}: this server does not reach store {store}")
            self._by_id[store].remove(keys)

    def set_aside(self, places: Iterable[tuple[int, str]], *, why: str, now: datetime) -> int:
        """Move those objects that exist into the quarantine, by store and key, and return their number."""
        number = 0
        for store, key in places:
            number += self._by_id[store].set_aside([key], self.quarantine, why=why, now=now)
        return number

    def close(self) -> None:
        for store in self._by_id.values():
            store.close()
