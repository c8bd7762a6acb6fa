"""A layer of faults below storage and index: at a chosen call, files and the database do what failing ones do.

Files: no room, errors of the disk, a file system that can only be read, no descriptors left, a write that is torn, and
slow ones. The index (SQLite): the same by SQLite's codes, at a statement or at COMMIT. A fault strikes a number of
calls one after another, and then all is well again.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

#: What the operating system says of a file.
FILE_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EDQUOT, errno.ENOENT)

#: What SQLite says, with its words.
INDEX_ERRORS = {
    sqlite3.SQLITE_FULL: "database or disk is full",
    sqlite3.SQLITE_IOERR: "disk I/O error",
    sqlite3.SQLITE_READONLY: "attempt to write a readonly database",
    sqlite3.SQLITE_BUSY: "database is locked",
    sqlite3.SQLITE_CANTOPEN: "unable to open database file",
}

#: Calls that a fault lets pass first, at most; and calls that it strikes then.
_MOST_BEFORE = {"file": 6, "statement": 25, "commit": 2}
_MOST_STRUCK = 3

#: Seconds by which a slow call is late.
_LATE = 0.01


@dataclass(slots=True)
class Fault:
    """`where` a fault strikes (file, statement, commit), what it is, after how many calls, and how many it strikes."""

    where: str
    what: int
    before: int
    struck: int
    kind: str = "error"

    @classmethod
    def any(cls, random: Random, places: tuple[str, ...]) -> Fault:
        """Any fault at one of these places."""
        where = random.choice(places)
        errors = FILE_ERRORS if where == "file" else tuple(INDEX_ERRORS)
        return cls(
            where,
            random.choice(errors),
            random.randrange(_MOST_BEFORE[where]),
            random.randint(1, _MOST_STRUCK),
            random.choice(("error", "error", "error", "torn", "slow")) if where == "file" else "error",
        )


class Faults:
    """The layer: at most one fault is armed."""

    def __init__(self) -> None:
        self._armed: Fault | None = None
        self._lock = threading.Lock()
        #: How often a fault has struck, by place.
        self.struck: dict[str, int] = {}

    def arm(self, fault: Fault | None) -> None:
        with self._lock:
            self._armed = fault

    def strikes(self, where: str) -> Fault | None:
        """The fault that a call meets, if there is one for it now."""
        with self._lock:
            armed = self._armed
            if armed is None or armed.where != where:
                return None
            if armed.before:
                armed.before -= 1
                return None
            if not armed.struck:
                return None
            armed.struck -= 1
            self.struck[where] = self.struck.get(where, 0) + 1
            return armed


def under_files(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the layer under the system calls of stores."""

    def failing(call: Callable[..., Any], *, torn: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def called(*arguments: Any, **more: Any) -> Any:
            fault = faults.strikes("file")
            if fault is None:
                return call(*arguments, **more)
            if fault.kind == "slow":
                time.sleep(_LATE)
                return call(*arguments, **more)
            if fault.kind == "torn" and torn is not None:
                torn(*arguments)
            raise OSError(fault.what, os.strerror(fault.what))

        return called

    pwrite, opened = os.pwrite, os.open

    def half(descriptor: int, data: Any, offset: int) -> None:
        pwrite(descriptor, bytes(data)[: len(data) // 2], offset)

    failing_open = failing(opened)

    def open_new(path: Any, flags: int, *more: Any, **others: Any) -> int:
        made: int = (failing_open if flags & os.O_CREAT else opened)(path, flags, *more, **others)
        return made

    monkeypatch.setattr(os, "pwrite", failing(pwrite, torn=half))
    monkeypatch.setattr(os, "open", open_new)
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))


def under_index(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the layer under the connections to SQLite that are opened from now on."""

    def check(statement: str) -> None:
        words = statement.lstrip()[:8].upper()
        if words.startswith(("ROLLBACK", "PRAGMA", "SAVEPOIN", "RELEASE")):
            return
        fault = faults.strikes("commit" if words.startswith("COMMIT") else "statement")
        if fault is not None:
            error = sqlite3.OperationalError(INDEX_ERRORS[fault.what])
            error.sqlite_errorcode = fault.what
            raise error

    class FailingCursor(sqlite3.Cursor):
        def execute(self, sql: str, *arguments: Any) -> FailingCursor:
            check(sql)
            super().execute(sql, *arguments)
            return self

        def executemany(self, sql: str, *arguments: Any) -> FailingCursor:
            check(sql)
            super().executemany(sql, *arguments)
            return self

    class FailingConnection(sqlite3.Connection):
        def commit(self) -> None:
            check("COMMIT")
            super().commit()

        def cursor(self, *_: Any) -> Any:
            return super().cursor(FailingCursor)

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            check(sql)
            return super().execute(sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            check(sql)
            return super().executemany(sql, *arguments)

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def failing_connect(*arguments: Any, **more: Any) -> sqlite3.Connection:
        more.setdefault("factory", FailingConnection)
        return connect(*arguments, **more)

    for module in (sqlite3, sqlite3.dbapi2):
        monkeypatch.setattr(module, "connect", failing_connect)
