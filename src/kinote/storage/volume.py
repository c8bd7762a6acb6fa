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


def is_reserved_only(folder: Path) -> bool:
    """Return whether nothing is left on the volume of a folder but what is reserved. Raises OSError."""
    volume = os.statvfs(folder)
    return volume.f_bavail * volume.f_frsize < min(RESERVED, volume.f_blocks * volume.f_frsize // 20)


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
