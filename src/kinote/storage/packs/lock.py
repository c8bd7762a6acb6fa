"""Who may add to a pack: one process at a time, as long as it lives.

NNNNNN.pack.lock   beside the pack; held by the process that adds objects to it
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class PackLock:
    """The right to add objects to a pack, until it is released or this process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, pack: Path, mark: str = "") -> PackLock | None:
        """Take the right for the pack at a path, which need not exist; None if another process has it.

        The mark of the process is written into the lock (`holder`).
        """
        descriptor = os.open(f"{pack}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, mark.encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @classmethod
    def holder(cls, pack: Path) -> str | None:
        """Return the mark of the process that adds to the pack at a path; None if there is none."""
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
