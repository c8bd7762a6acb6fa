"""The folder of a store on its volume: that it is the one that was opened, and that images leave room for the rest.

What fills a disk is images. As long as they stop before it is full, notes and withdrawals still have room.
"""

from __future__ import annotations

import os
from pathlib import Path

from kinote.storage.store import StorageError

#: The room that images leave, in bytes; on a small volume the twentieth part of it.
RESERVED = 256 * 1024 * 1024


class NoRoomError(StorageError):
    """The room that is left is for notes and withdrawals."""


#: Room in bytes of which people are told before images stop; on a small volume its twentieth part.
_LITTLE = 5 * 1024**3

#: How much more than that must be free again until it is enough, so that it is not told over and over.
_ENOUGH_AGAIN = 1.25


class RoomLeft:
    """Whether little room is left on the volume of a folder: told in time before images stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_little = False

    def little(self) -> int | None:
        """Return how many bytes are free where that is little, otherwise None. Raises OSError."""
        volume = os.statvfs(self._folder)
        free, size = volume.f_bavail * volume.f_frsize, volume.f_blocks * volume.f_frsize
        least = max(min(_LITTLE, size // 20), 2 * _reserve(size))
        self._is_little = free < least * (_ENOUGH_AGAIN if self._is_little else 1)
        return free if self._is_little else None


def _reserve(size: int) -> int:
    return min(RESERVED, size // 20)


def is_reserved_only(folder: Path) -> bool:
    """Return whether nothing is left on the volume of a folder but what is reserved. Raises OSError."""
    volume = os.statvfs(folder)
    return volume.f_bavail * volume.f_frsize < _reserve(volume.f_blocks * volume.f_frsize)


def room_of(folder: Path) -> tuple[int, int]:
    """Return how many bytes images may still take on the volume of a folder, and how many it has. Raises OSError."""
    volume = os.statvfs(folder)
    free, size = volume.f_bavail * volume.f_frsize, volume.f_blocks * volume.f_frsize
    return max(0, free - _reserve(size)), size


class StoreFolder:
    """The folder of an open store. Cheap to look at: two system calls. It can be pickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = folder.stat()
        self._identity = found.st_dev, found.st_ino

    def see_that_it_takes_more(self) -> None:
        """Raise `StorageError` if the folder is not the one that was opened, or has no room for images."""
        try:
            found = os.stat(self._folder)  # noqa: PTH116 - for each object
            if (found.st_dev, found.st_ino) != self._identity:
                raise StorageError(
                    f"The folder {self._folder} was replaced while the server runs, so nothing is written there. Bring "
                    "back the one that was there, or start the server again."
                )
            if is_reserved_only(self._folder):
                raise NoRoomError(
                    f"The disk of {self._folder} is full, except for what is reserved for notes. Free some space."
                )
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(f"The folder {self._folder} cannot be reached: {error.strerror}") from error
