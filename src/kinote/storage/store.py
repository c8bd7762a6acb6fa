"""What a store of bytes does, whatever it is made of; `tests/storage/test_any_store.py` holds every store to it.

An object is written to an `Incoming`, finished (a large one is durable then), and settled with others of its group (all
are durable then). Only after that may a row name its key. A key is given once and never again, also where its
object has been removed, so that a removal that is repeated can meet nobody else's bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from kinote.storage.quarantine import Quarantine


class StorageError(OSError):
    """The store could not take or give bytes (disk full, permissions, a missing file)."""


class MissingObjectError(StorageError):
    """The store is there, and the object is not."""


class Incoming(Protocol):
    """An object on its way into a store. Finish it, or abandon it."""

    @property
    def store(self) -> int:
        """The id of the store that it is for."""

    @property
    def key(self) -> str | None:
        """Under which it will be found; None until that is known, which it is once the object has been settled."""

    @property
    def waits_for_disk(self) -> bool:
        """Whether `finish` waits for the disk: then it is for a thread that nobody else waits for."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. Raises `StorageError`."""

    def finish(self) -> None:
        """All bytes are there: make them durable, as far as one object by itself can be. Raises `StorageError`.

        May be called again.
        """

    def read_back(self, offset: int, limit: int) -> bytes:
        """What has been written, from an offset on, once it is finished; `limit` bytes of it at most."""

    def abandon(self) -> None:
        """Nothing of it is kept. For who has not settled it (else `Store.remove`). May be called again."""


class Store(Protocol):
    """A store of bytes. All of it may be called from any thread."""

    @property
    def id(self) -> int:
        """What stands beside each key: which store it is a key of."""

    def receive(self, now: datetime) -> Incoming:
        """A new object to write, which arrives `now`. Raises `StorageError`."""

    def take_over(self, key: str) -> Incoming:
        """An object that another process of this server has received here and finished, but nobody has settled.

        Raises `StorageError` where there is none, as always where no other process can write.
        """

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        """Make finished objects durable whole, with one effort for the group; what failed is said of each.

        What has been settled already stays as it is, so that a group may be settled again.
        """

    def open(self, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        """A stored object as a file, at so many bytes from its beginning.

        Raises `MissingObjectError` if it is not there, `StorageError` if that cannot be told.
        Without a buffer for who reads in large pieces: a read gives fewer bytes only at the end of the object.
        """

    def remove(self, keys: Iterable[str]) -> None:
        """Delete objects, so that no power cut brings them back. Those that are gone already are let pass.

        Raises `StorageError`.
        """

    def position(self, now: datetime) -> str:
        """A position in the order of arrival: everything that arrives later than `now` lies behind it.

        So does what a process at work has in a place of its own.
        """

    def maker(self, key: str) -> str:
        """The mark of the process that gave a key, if it may still be at work on its object (`presence`); else any."""

    def keys_since(self, position: str) -> Iterator[list[str]]:
        """The keys of all objects behind a position ("" for all), in parts; also of objects that were never settled.

        One or the other from before it may be among them.
        """

    def set_aside(self, keys: Iterable[str], quarantine: Quarantine, *, why: str, now: datetime) -> int:
        """Move objects into the quarantine, durably; gives their number. A kill in between loses none.

        Those that are gone already are let pass.
        """

    def close(self) -> None:
        """Nothing is asked of it any more."""
