"""Whether the pages of a SQLite index are sound: looked at when a server starts, table by table, within a bound.

What is not done in time goes on beside the server. PostgreSQL checks its pages itself where it is set up to.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import make_url

#: SQLite's own steps between two looks at the time.
_STEPS = 20_000

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
        """Check as many tables as that time allows. One table that takes longer by itself stays for the next step, or
        with `passes_over` is left out for good."""
        if self._file is None or self.is_done:
            return
        until = time.monotonic() + seconds
        connection = sqlite3.connect(f"file:{_quoted(self._file)}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.set_progress_handler(lambda: self._ending.is_set() or time.monotonic() > until, _STEPS)
            self._check(connection, passes_over=passes_over)
        finally:
            connection.close()

    def _check(self, connection: sqlite3.Connection, *, passes_over: bool) -> None:
        try:
            if self.left is None:
                self.left = _tables(connection)
            while self.left:
                faults = _faults_of(connection, self.left[0])
                self.faults += tuple(faults)
                self.left = self.left[1:]
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self.faults += (f"{self.left[0]}: {error}" if self.left else str(error),)
                self.left = (self.left or [])[1:]
            elif code != sqlite3.SQLITE_INTERRUPT:
                raise
            elif passes_over and self.left and not self._ending.is_set():
                self.passed_over.append(self.left[0])
                self.left = self.left[1:]


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
