"""Folders of other systems, read where they are: a store that gives bytes, and takes, changes and removes none.

What is durable there, and that the files stay where they are, is the matter of whoever manages the folder. Keys are
paths relative to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from kinote.storage.quarantine import Quarantine
from kinote.storage.store import Incoming, MissingObjectError, StorageError

#: Ids of such stores begin after this one.
FIRST_IN_PLACE = 100


class FileInPlace:
    """The bytes of an object that are in a store already, as what has been received. Nothing is written or removed."""

    waits_for_disk = False

    def __init__(self, store: InPlaceStore, key: str) -> None:
        self._store = store
        self.store = store.id
        self.key: str | None = key
        self._name = key

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Do nothing: it is there."""

    def finish(self) -> None:
        """Do nothing: its durability is not ours."""

    def read_back(self, offset: int, limit: int) -> bytes:
        with self._store.open(self._name, offset) as file:
            return file.read(limit)

    def abandon(self) -> None:
        """Forget where it is, so that nobody has it removed."""
        self.key = None


class InPlaceStore:
    """The files below a folder of another system."""

    def __init__(self, root: Path, store: int) -> None:
        self.id = store
        self.root = root

    def is_there(self) -> bool:
        """Return whether the folder can be read and has something in it: where a volume is missing, it is empty."""
        try:
            with os.scandir(self.root) as entries:
                return next(entries, None) is not None
        except OSError:
            return False

    def receive(self, now: datetime) -> Incoming:
        """Raise `StorageError`: it takes nothing."""
        raise StorageError(f"The folder {self.root} is read in place, and takes nothing.")

    def take_over(self, key: str) -> Incoming:
        """Return a file that is there."""
        return FileInPlace(self, key)

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        """Do nothing: the files are there."""
        return [None] * len(group)

    def open(self, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        if key.startswith("/") or ".." in PurePosixPath(key).parts:
            raise StorageError(f"Cannot open {key}: it does not lie in the folder {self.root}")
        try:
            # What has become a pipe must not make anybody wait for whoever writes into it.
            number = os.open(f"{self.root}/{key}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISREG(os.fstat(number).st_mode):
                os.close(number)
                raise MissingObjectError(f"Cannot open {self.root}/{key}: it is no file any more")
            file = os.fdopen(number, "rb", buffering=64 * 1024 if buffered else 0)
            file.seek(offset)
        except StorageError:
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingObjectError(f"Cannot open {self.root}/{key}: {error.strerror}") from error
        except (OSError, ValueError) as error:
            raise StorageError(f"Cannot open {self.root}/{key}: {error}") from error
        return file

    def remove(self, keys: Iterable[str]) -> None:
        """Do nothing: the files are another system's."""

    def see_that_it_takes_more(self) -> None:
        """Raise `StorageError`: it takes nothing."""
        raise StorageError(f"The folder {self.root} is read in place, and takes nothing.")

    def position(self, now: datetime) -> str:
        """Return no position: nothing arrives."""
        return ""

    def earlier(self, one: str, other: str) -> str:
        return ""

    def maker(self, key: str) -> str:
        """Return no process: none of ours made it."""
        return ""

    def keys_since(self, position: str, unread: list[str] | None = None) -> Iterator[list[str]]:
        """Return no keys: files without a row are another system's, and nothing is amiss with them."""
        return iter(())

    def set_aside(self, keys: Iterable[str], quarantine: Quarantine, *, why: str, now: datetime) -> int:
        """Do nothing: the files stay where they are."""
        return 0

    def close(self) -> None:
        """Do nothing."""
