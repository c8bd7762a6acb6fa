"""Whether the pages of a SQLite index are sound: looked at when a server starts, table by table, within a bound.

What is not done in time goes on beside the server. PostgreSQL checks its pages itself where it is set up to.

A thread interrupts the check when its time is over: SQLite looks at that for each page, while its progress handler is
not called as long as the pages of one table are read.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

#: Seconds between two looks at the end of the server, and between two interruptions once the time is over: one that
#: comes between two statements has no effect.
_LOOK, _AGAIN = 0.1, 0.002

#: How many faults of one table are named.
_NAMED = 3


class Soundness:
    """The check of one index. `step` does more of it; `faults` are what it has found."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        file = address.database if address.get_backend_name() == "sqlite" else None
        self._file = file if file and Path(file).is_file() else None
        #: What is wrong, as SQLite says it, with the table that it is about.
        self.faults: tuple[str, ...] = ()
        #: Tables that have not been checked yet, the smallest first; None before the first step.
        self.left: list[str] | None = None if self._file else []
        #: Tables that take longer than anybody waits.
        self.passed_over: list[str] = []
        self._ending = threading.Event()

    @property
    def is_done(self) -> bool:
        return self.left == []

    def end(self) -> None:
        """Have a step that is under way end soon."""
        self._ending.set()

    def step(self, seconds: float, *, passes_over: bool = False) -> None:
        """Check as many tables as that time allows, at least the next one in part.

        One that takes longer by itself stays for the next step, or with `passes_over` is left out for good.
        """
        if self._file is None or self.is_done:
            return
        until = time.monotonic() + seconds
        connection = sqlite3.connect(f"file:{_quoted(self._file)}?mode=ro", uri=True, isolation_level=None)
        try:
            if self.left is None:
                self._list(connection)
            is_first = True
            while self.left and not self._ending.is_set() and (is_first or time.monotonic() < until):
                # Only a table that had all of the time has shown that it takes too long.
                self._check(connection, self.left[0], until, passes_over=passes_over and is_first)
                is_first = False
        finally:
            connection.close()

    def _list(self, connection: sqlite3.Connection) -> None:
        try:
            self.left = _tables(connection)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self.faults, self.left = (*self.faults, str(error)), []

    def _check(self, connection: sqlite3.Connection, table: str, until: float, *, passes_over: bool) -> None:
        left = (self.left or [])[1:]
        try:
            with self._interrupting(connection, until):
                faults = _faults_of(connection, table)
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                self.faults, self.left = (*self.faults, f"{table}: {error}"), left
            elif error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_INTERRUPT:
                raise
            else:
                self._not_in_time(table, passes_over=passes_over)
        else:
            if faults and self._is_over(until):
                # What an interrupted check says is not believed.
                self._not_in_time(table, passes_over=passes_over)
            else:
                self.faults, self.left = (*self.faults, *faults), left

    def _not_in_time(self, table: str, *, passes_over: bool) -> None:
        if passes_over and not self._ending.is_set():
            self.passed_over.append(table)
            self.left = (self.left or [])[1:]

    @contextmanager
    def _interrupting(self, connection: sqlite3.Connection, until: float) -> Iterator[None]:
        """Interrupt what the connection does from a moment on, or from the end of the server."""
        is_through = threading.Event()

        def watch() -> None:
            while not is_through.is_set() and not self._is_over(until):
                is_through.wait(min(_LOOK, max(until - time.monotonic(), 0)))
            while not is_through.is_set():
                connection.interrupt()
                is_through.wait(_AGAIN)

        watching = threading.Thread(target=watch, name="index-pages-watch", daemon=True)
        watching.start()
        try:
            yield
        finally:
            is_through.set()
            watching.join()

    def _is_over(self, until: float) -> bool:
        return self._ending.is_set() or time.monotonic() >= until


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _tables(connection: sqlite3.Connection) -> list[str]:
    """Return all tables, those with the fewest rows first, as far as keys tell."""
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
        ).fetchall()
    ]
    return sorted(names, key=lambda name: _greatest_key(connection, name))


def _greatest_key(connection: sqlite3.Connection, table: str) -> int:
    try:
        ((key,),) = connection.execute(f'SELECT max(rowid) FROM "{table}"').fetchall()  # noqa: S608 - of the schema
    except sqlite3.DatabaseError:
        # A table without row ids, or one that is damaged.
        return 0
    return int(key or 0)


def _faults_of(connection: sqlite3.Connection, table: str) -> Sequence[str]:
    found = connection.execute(f"PRAGMA quick_check('{table}')").fetchmany(_NAMED)
    return [f"{table}: {' '.join(text.split())}" for (text,) in found if text != "ok"]


def _quoted(file: str) -> str:
    return file.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
