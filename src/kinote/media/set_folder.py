"""File sets in a folder. Until they are whole there is no DICOMDIR and no INDEX.HTM, and INCOMPLETE.TXT says why."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from kinote.media.containers import File
from kinote.media.reading_back import DIGESTS, NotAsMadeError, read_back

#: The mark of a folder whose file sets are not whole.
MARK = "INCOMPLETE.TXT"

_SAID = (
    "This folder is not a complete DICOM file set: its export was interrupted, or is under way.\r\n"
    "Do not hand it on. Remove it and export again.\r\n"
)

#: What makes a folder look like a set, and has this suffix until it is one.
_LAST = ("DICOMDIR", "INDEX.HTM")
_SUFFIX = ".PRT"


class SetFolder:
    """A folder in which file sets are made. It is made where there is none, and has to be empty.

    Raises `FileExistsError` for one that is not empty.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._is_ours = not root.exists()
        root.mkdir(parents=True, exist_ok=True)
        self.check(root)
        (root / MARK).write_text(_SAID, "ascii", newline="")
        sync_folder(root / MARK)
        sync_folder(root)
        #: The folders of the sets below this one; "" is this one.
        self.sets: list[str] = []

    @staticmethod
    def check(root: Path) -> None:
        """Raise `FileExistsError` for a folder that is not empty, and `OSError` for one that cannot be read."""
        if any(root.iterdir()):
            left = (root / MARK).exists()
            said = "holds an export that was interrupted: remove it first" if left else "is not empty"
            raise FileExistsError(f"The folder {root} {said}.")

    def take(self, files: Iterable[File]) -> None:
        """Write files, and sync each. Raises `OSError`."""
        for file in files:
            folder, _, name = file.path.rpartition("/")
            if name == DIGESTS:
                self.sets.append(folder)
            path = self.root / folder / (name + _SUFFIX if name in _LAST else name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as written:
                for chunk in file.chunks:
                    written.write(chunk)
                written.flush()
                os.fsync(written.fileno())
                # It is read back from the medium, not from memory.
                os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def finish(self) -> int:
        """Read everything back, and make the folder one that is whole. Returns how many files were compared.

        Raises `NotAsMadeError`.
        """
        if not self.sets:
            raise NotAsMadeError("The export ended before its first file set was whole.")
        count = 0
        for folder in self.sets:
            place = self.root / folder

            def open_file(path: str, place: Path = place) -> BinaryIO:
                return (place / (path + _SUFFIX if path in _LAST else path)).open("rb")

            count += read_back((place / DIGESTS).read_bytes(), open_file)
        for folder in self.sets:
            for name in _LAST:
                place = self.root / folder
                (place / (name + _SUFFIX)).rename(place / name)
        (self.root / MARK).unlink()
        for path in (*(each for each in self.root.rglob("*") if each.is_dir()), self.root):
            sync_folder(path)
        return count

    def abandon(self) -> None:
        """Remove what was written. What cannot be removed stays beside its mark."""
        for path in sorted(self.root.iterdir(), key=lambda each: each.name == MARK):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if self._is_ours and not any(self.root.iterdir()):
            self.root.rmdir()


def sync_folder(path: Path) -> None:
    """Sync a folder, or a file: what was renamed in it stays so after a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
