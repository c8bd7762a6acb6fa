"""One pack: a SQLite file of small objects, written by one process at a time.

SQLite gives what a container needs: a group of objects becomes whole with one sync, a kill leaves whole objects only,
removed ones leave room for others, and anybody can look in with a program that is everywhere.

NNNNNN.pack        the objects; NNNNNN.pack-wal and -shm beside it while it is open
NNNNNN.pack.lock   held by the process that adds objects to it
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

#: "KPAK", in the file's header: what `file` and people know it by.
_APPLICATION = 0x4B50414B

#: Milliseconds that somebody else's write may hold us up.
_BUSY_TIMEOUT = 30_000

#: Keys that are given at once.
_PAGE = 5000

_SCHEMA = "CREATE TABLE IF NOT EXISTS object (id INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL)"


class Pack:
    """An open pack. All of it may be called from any thread; raises sqlite3.Error.

    One that is not there is made only where that is asked for: SQLite would take a lost file for an empty one.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self.path = path
        self._using = threading.Lock()
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={'rwc' if make else 'rw'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in (
            f"busy_timeout = {_BUSY_TIMEOUT}",
            "journal_mode = WAL",
            # Nobody is told that an object is stored before it is on the disk (law 6).
            "synchronous = FULL",
            f"application_id = {_APPLICATION}",
            "cache_size = -8192",
            "wal_autocheckpoint = 4000",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        if make:
            self._connection.execute(_SCHEMA)

    def add(self, objects: Sequence[bytes | bytearray]) -> list[int]:
        """Put objects in, durably, all or none; gives their numbers, which are never given again."""
        with self._transaction() as connection:
            ((last,),) = connection.execute(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'object'"
            ).fetchall()
            numbers = list(range(last + 1, last + 1 + len(objects)))
            connection.executemany(
                "INSERT INTO object (id, bytes) VALUES (?, ?)", zip(numbers, objects, strict=True)
            )
        return numbers

    def read(self, number: int) -> bytes | None:
        """An object, None if there is none of that number."""
        with self._using:
            row = self._connection.execute("SELECT bytes FROM object WHERE id = ?", (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def remove(self, numbers: Iterable[int]) -> None:
        """Take objects out, durably; those that are gone already are let pass."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM object WHERE id = ?", [(number,) for number in numbers])

    def numbers_since(self, number: int) -> Iterator[list[int]]:
        """The numbers of all objects after a number, in parts."""
        while True:
            with self._using:
                rows = self._connection.execute(
                    "SELECT id FROM object WHERE id > ? ORDER BY id LIMIT ?", (number, _PAGE)
                ).fetchall()
            if not rows:
                return
            yield [found for (found,) in rows]
            ((number,),) = rows[-1:]

    def last_number(self) -> int:
        """The greatest number that was ever given."""
        with self._using:
            ((last,),) = self._connection.execute(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'object'"
            ).fetchall()
        return int(last)

    def size(self) -> int:
        """Bytes of the file, room for further objects included."""
        return self._pragma("page_count") * self._pragma("page_size")

    def unused(self) -> int:
        """Bytes of the file that removed objects have left."""
        return self._pragma("freelist_count") * self._pragma("page_size")

    def compact(self) -> None:
        """Give the room of removed objects back to the file system; all others keep their numbers."""
        with self._using:
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._using:
            self._connection.close()

    def _pragma(self, name: str) -> int:
        with self._using:
            ((value,),) = self._connection.execute(f"PRAGMA {name}").fetchall()
        return int(value)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._using:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A commit that fails for want of space leaves the transaction open.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


class PackLock:
    """The right to add objects to a pack, until it is given up or this process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, pack: Path, mark: str = "") -> PackLock | None:
        """Of the pack at a path, whether that is there already or not; None if somebody else has it.

        The mark of the process is written down in it (`holder`).
        """
        descriptor = os.open(f"{pack}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, mark.encode(), 0)
        return cls(descriptor)

    @classmethod
    def holder(cls, pack: Path) -> str | None:
        """The mark of the process that adds to the pack at a path, None if none does."""
        try:
            descriptor = os.open(f"{pack}.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return os.pread(descriptor, 64, 0).decode()
        else:
            return None
        finally:
            os.close(descriptor)

    def release(self) -> None:
        os.close(self._descriptor)
