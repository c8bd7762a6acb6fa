"""The processes that have a data directory open. Unfinished files there belong to them.

Each process holds a lock on a file of its own in `processes/`. The kernel releases it when the process ends,
however it ends. So this is certain, unlike a missing sign of life. It works on one machine, as the directory does.
The names of files that a process writes contain its mark.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kinote.storage.folders import make_folder

#: The length of a mark in characters.
MARK = 8

#: How many seconds to wait for the recovery of another process before going on without.
_PATIENCE = 120


class Presence:
    """This process in a data directory, until it is closed."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "processes"
        if not self._folder.is_dir():
            make_folder(self._folder)
        self.mark = secrets.token_hex(MARK // 2)
        self._path = self._folder / self.mark
        while True:
            self._lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            # Another process that looks at this moment takes this one for ended, and removes the file.
            if self._is_mine():
                break
            os.close(self._lock)

    @property
    def descriptor(self) -> int:
        """The descriptor of the lock. A process that inherits it keeps the mark alive as well, until its own end.

        So files of a receiver process are protected until both it and the main process have ended.
        """
        return self._lock

    def others(self) -> dict[str, datetime]:
        """Return the marks of all other processes that have the directory open, and since when."""
        found = {}
        for path in self._folder.iterdir():
            if len(path.name) == MARK and path.name != self.mark and _is_held(path):
                try:
                    found[path.name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                except FileNotFoundError:
                    continue
        return found

    @contextmanager
    def recovering(self) -> Iterator[bool]:
        """Return whether this process may recover. Only one may at a time."""
        lock = os.open(self._folder / "recovery", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not (taken := _take(lock)) and time.monotonic() < deadline:
                time.sleep(0.05)
            yield taken
        finally:
            os.close(lock)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _is_mine(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._lock))
        except FileNotFoundError:
            return False


def _is_held(path: Path) -> bool:
    """Return whether the process of this file is alive. The file of a killed process is removed."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if not _take(lock):
            return True
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(lock)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
