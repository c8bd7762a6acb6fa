"""The contract of stores of bytes; `tests/storage/test_any_store.py` checks every store against it.

An object is written to an `Incoming`, finished (large ones are durable then), and settled with others of its group
(all are durable then). Only after that may a row contain its key. A key is never used again, even after its object
has been removed, so that a repeated removal cannot remove other bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from kinote.storage.quarantine import Quarantine


class StorageError(OSError):
    """The store could not accept or return bytes (disk full, permissions, a missing file)."""


class MissingObjectError(StorageError):
    """The store is available, but the object is not there."""


class Incoming(Protocol):
    """An object on its way into a store. Finish it, or abandon it."""

    @property
    def store(self) -> int:
        """The id of the store that receives it."""

    @property
    def key(self) -> str | None:
        """The key to find it by. None until it is known, which it is once the object has been settled."""

    @property
    def waits_for_disk(self) -> bool:
        """Whether `finish` waits for the disk. If so, call it in a thread for which nobody else waits."""

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Write the next bytes. Raises `StorageError`."""

    def finish(self) -> None:
        """Make the object durable after its last bytes, as far as a single object can be. Raises `StorageError`.

        May be called again.
        """

    def read_back(self, offset: int, limit: int) -> bytes:
        """Return the written bytes from an offset on, at most `limit` of them. Call it after `finish`."""

    def abandon(self) -> None:
        """Discard the object, if it has not been settled (then use `Store.remove`). May be called again."""


class Store(Protocol):
    """A store of bytes. All methods may be called from any thread."""

    @property
    def id(self) -> int:
        """The id that is stored with each key, to tell the stores apart."""

    def receive(self, now: datetime) -> Incoming:
        """Begin a new object, which arrives `now`. Raises `StorageError`."""

    def take_over(self, key: str) -> Incoming:
        """Return an object that another process of this server has received and finished, but nobody has settled.

        Raises `StorageError` if there is none, as it always is in stores that other processes cannot write to.
        """

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        """Make finished objects durable as a group, and return the error of each that failed.

        Settled objects stay as they are, so a group may be settled again.
        """

    def open(self, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        """Open a stored object as a file, at this many bytes from its beginning.

        Raises `MissingObjectError` if it does not exist, `StorageError` if that cannot be determined. The file has
        no buffer and is meant for large reads: a read returns fewer bytes only at the end of the object.
        """

    def remove(self, keys: Iterable[str]) -> None:
        """Delete objects so that no power cut brings them back. Objects that are gone already are ignored.

        Raises `StorageError`.
        """

    def see_that_it_takes_more(self) -> None:
        """Raise `StorageError` if images have left no more room than notes and withdrawals may need, or if the
        store is not what was opened.

        Stores ask themselves. Others ask it for objects that take the same room elsewhere.
        """

    def position(self, now: datetime) -> str:
        """Return a position in the order of arrival: everything that arrives after `now` is behind it.

        Objects that running processes keep in places of their own are behind it, too.
        """

    def earlier(self, one: str, other: str) -> str:
        """Return a position behind which everything is that is behind either of two: the clock may have been set."""

    def maker(self, key: str) -> str:
        """Return the mark of the process that created a key, if it may still work on the object (`presence`);
        otherwise any."""

    def keys_since(self, position: str, unread: list[str] | None = None) -> Iterator[list[str]]:
        """Return the keys of all objects behind a position ("" for all), in parts, also of objects that were never
        settled.

        A few earlier keys may be among them. What cannot be read is left out and logged, and its path added to
        `unread`.
        """

    def set_aside(self, keys: Iterable[str], quarantine: Quarantine, *, why: str, now: datetime) -> int:
        """Move objects into the quarantine durably, and return their number. A kill in between loses none.

        Objects that are gone already are ignored.
        """

    def close(self) -> None:
        """End the use of the store."""
