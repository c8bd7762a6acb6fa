"""DICOMDIR, the table of contents of a medium (PS3.3 Annex F, PS3.10 section 8): the files it names.

Records are read as a flat list. The offsets that link them to a tree are often wrong, and are not needed here.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kinote.dicom.dictionary import tags
from kinote.dicom.files.part10 import FileScanner

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_RECORD_IN_USE_FLAG = 0x00041410
_REFERENCED_FILE_ID = 0x00041500
_REFERENCED_SOP_INSTANCE_UID_IN_FILE = 0x00041511

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ReferencedFile:
    """A file that a directory record names. Its SOP Instance UID is '' if the record does not give it."""

    file_id: tuple[str, ...]
    sop_instance_uid: str


def read(file: BinaryIO) -> tuple[ReferencedFile, ...]:
    """Return the files that the records in use of a DICOMDIR name, in its order.

    Raises `DicomError` if it cannot be read.
    """
    scanner = FileScanner()
    while chunk := file.read(_CHUNK):
        scanner.feed(chunk)
    records = scanner.finish().dataset.items(tags.DIRECTORY_RECORD_SEQUENCE)
    return tuple(
        ReferencedFile(
            tuple(part for part in record.texts(_REFERENCED_FILE_ID)),
            record.text(_REFERENCED_SOP_INSTANCE_UID_IN_FILE) or "",
        )
        for record in records
        if record.texts(_REFERENCED_FILE_ID) and record.integer(_RECORD_IN_USE_FLAG) != 0
    )


@dataclass(slots=True)
class Medium:
    """The folder that contains a DICOMDIR. Names are compared without case, because media are often mounted in
    lower case."""

    root: Path
    _listings: dict[Path, dict[str, str]] = field(default_factory=dict)

    def resolve(self, file_id: tuple[str, ...]) -> Path | None:
        """Return the file of a File ID; None if it does not exist, or is outside of the folder."""
        parts = list(_components(file_id))
        if not parts or any(part in ("", ".", "..") or "\0" in part or os.sep in part for part in parts):
            return None
        path = self.root
        for part in parts:
            name = self._listing(path).get(_plain(part))
            if name is None:
                return None
            path = path / name
        inside = path.is_file() and path.resolve().is_relative_to(self.root.resolve())
        return path if inside else None

    def _listing(self, folder: Path) -> dict[str, str]:
        if folder not in self._listings:
            try:
                names = sorted((entry.name for entry in folder.iterdir()), reverse=True)
            except OSError:
                names = []
            self._listings[folder] = {_plain(name): name for name in names}
        return self._listings[folder]


def _components(file_id: tuple[str, ...]) -> Iterator[str]:
    """Return the components of a File ID, including one written as a single path with slashes."""
    for part in file_id:
        yield from part.replace("\\", "/").split("/")


def _plain(name: str) -> str:
    """Return a name without what ISO 9660 may append: a version, a full stop."""
    return name.split(";")[0].rstrip(".").casefold()
