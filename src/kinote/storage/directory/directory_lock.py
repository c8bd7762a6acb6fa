"""The lock of a data directory, which tells which process has it open.

The directory itself is locked, so that no file in it has to stay in place. The file `lock` in it is locked as well,
because network file systems lock no directories, and versions before 0.2 lock only the file. The kernel releases
both when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from pathlib import Path

log = logging.getLogger(__name__)

_FILE = "lock"


class DirectoryLock:
    """The lock of one data directory. It is not taken at first. Raises `OSError`."""

    def __init__(self, directory: Path) -> None:
        self._path = directory
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._file: int | None = None
        self._looking = threading.Lock()

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock exclusively, or shared with other processes; return False if another process has it.

        If False, a lock that this process had before may be lost.
        """
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        if not _lock(self._directory, kind, if_not_possible=True):
            return False
        if self._file is None:
            self._file = _opened(self._path)
        if not _lock(self._file, kind, if_not_possible=False):
            _lock(self._directory, fcntl.LOCK_UN, if_not_possible=True)
            return False
        _sign(self._file)
        return True

    def share(self) -> None:
        """Share the lock. Waits while another process is trying to take it exclusively."""
        assert self._file is not None
        _lock(self._directory, fcntl.LOCK_SH, if_not_possible=True)
        _lock(self._file, fcntl.LOCK_SH, if_not_possible=True)

    def is_in_place(self) -> bool:
        """Return whether the path still leads to the locked directory. A `lock` file that was removed is made again."""
        with self._looking:
            if not _is_same(self._path, self._directory):
                return False
            if self._file is None or _is_same(self._path / _FILE, self._file):
                return True
            log.error("%s was removed while this process has it locked; it is made again", self._path / _FILE)
            return self._make_again(self._file)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        os.close(self._directory)

    def _make_again(self, lost: int) -> bool:
        """Lock a new file in place of the removed one; return False if another process has locked that."""
        file = _opened(self._path)
        # Shared, since this process may share the directory. Whoever wants the file exclusively is still refused.
        if not _lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB, if_not_possible=False):
            os.close(file)
            return False
        _sign(file)
        self._file = file
        os.close(lost)
        return True


def holder(directory: Path) -> int | None:
    """Return the id of the process that took the lock last; None if it is not known."""
    try:
        return int((directory / _FILE).read_text())
    except (OSError, ValueError):
        return None


def _opened(directory: Path) -> int:
    return os.open(directory / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _sign(file: int) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)


def _lock(descriptor: int, kind: int, *, if_not_possible: bool) -> bool:
    """Return whether the lock was taken; `if_not_possible` if the file system has no such locks."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError:
        return if_not_possible
    return True


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
