"""Packs of the older format: SQLite files of small objects. They are read, and objects are removed from them; none
are added.

    NNNNNN.pack   the objects; NNNNNN.pack-wal and -shm beside it while it is open
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

#: How many milliseconds another writer may delay us.
_BUSY_TIMEOUT = 30_000

#: How many keys are returned at once.
_PAGE = 5000


class SqlitePack:
    """An open pack of the older format. All methods may be called from any thread, and raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._using = threading.Lock()
        self._connection = sqlite3.connect(
            # SQLite would create an empty file in place of a lost one.
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in (
            f"busy_timeout = {_BUSY_TIMEOUT}",
            "journal_mode = WAL",
            # A power cut must not bring back what has been removed (law 8).
            "synchronous = FULL",
        ):
            self._connection.execute(f"PRAGMA {pragma}")

    @staticmethod
    def is_one(path: Path) -> bool:
        """Return whether the file at a path has this format."""
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"

    def read(self, number: int) -> bytes | None:
        """Return an object; None if there is none with that number."""
        with self._using:
            row = self._connection.execute("SELECT bytes FROM object WHERE id = ?", (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove objects durably. Objects that are gone already are ignored."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM object WHERE id = ?", [(number,) for number in numbers])

    def numbers_since(self, number: int) -> Iterator[list[int]]:
        """Return the numbers of all objects after a number, in parts."""
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
        """Return the greatest number so far."""
        with self._using:
            ((last,),) = self._connection.execute(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'object'"
            ).fetchall()
        return int(last)

    def close(self) -> None:
        with self._using:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._using:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A commit that fails because the disk is full leaves the transaction open.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
