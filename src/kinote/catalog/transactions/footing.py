"""What a write to the index stands on: the file of SQLite is in its place, and there is room for a transaction.

It is looked at before each transaction, so that a write to a directory that was replaced or removed is noticed when
it is asked for, and so that a full disk refuses a transaction instead of leaving its COMMIT in doubt.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import make_url

from kinote.catalog.sql.unavailable import IndexFullError, IndexMovedError, IndexUnreachableError

#: The room for transactions, in bytes; on a small volume the hundredth part of it.
_ROOM = 8 * 1024 * 1024


class Footing:
    """Cheap to look at: three system calls on SQLite, none of ours on PostgreSQL."""

    def __init__(self, url: str, is_in_place: Callable[[], bool]) -> None:
        address = make_url(url)
        file = address.database if address.get_backend_name() == "sqlite" else None
        self._is_in_place = is_in_place
        self._file = file if file and Path(file).is_file() else None
        if self._file is not None:
            self._identity = _identity(self._file)
            self._folder = Path(self._file).absolute().parent

    def see_to_it(self) -> None:
        """Raise `IndexMovedError` or `IndexFullError` if nothing should be written now."""
        if not self._is_in_place():
            raise IndexMovedError
        if self._file is None:
            return
        try:
            if _identity(self._file) != self._identity:
                raise IndexMovedError
            volume = os.statvfs(self._folder)
        except FileNotFoundError as error:
            raise IndexMovedError from error
        except OSError as error:
            raise IndexUnreachableError.because(error.strerror or "") from error
        room = min(_ROOM, volume.f_blocks * volume.f_frsize // 100)
        if volume.f_bavail * volume.f_frsize < room:
            raise IndexFullError


def _identity(file: str) -> tuple[int, int]:
    found = os.stat(file)  # noqa: PTH116 - a text: it is looked at for every transaction
    return found.st_dev, found.st_ino
