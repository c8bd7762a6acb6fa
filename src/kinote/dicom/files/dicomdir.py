"""DICOMDIR, the table of contents of a medium (PS3.3 Annex F, PS3.10 section 8): the files it names.

Records are read as a flat list. The offsets that link them to a tree are often wrong, and are not needed here.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
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
    _listings: dict[Path, _Listing] = field(default_factory=dict)

    def resolve(self, file_id: tuple[str, ...]) -> Path | None:
        """Return the file of a File ID; None if it does not exist, or is outside of the folder."""
        parts = list(_components(file_id))
        if not parts or any(part in ("", ".", "..") or "\0" in part or os.sep in part for part in parts):
            return None
        path = self.root
        for part in parts[:-1]:
            name = _one_of(self._listing(path), _NAMES, part)
            if name is None:
                return None
            path = path / name
        name = _one_of(self._listing(path), (*_NAMES, *_FILE_NAMES), parts[-1])
        if name is None:
            return None
        path = path / name
        inside = path.is_file() and path.resolve().is_relative_to(self.root.resolve())
        return path if inside else None

    def _listing(self, folder: Path) -> _Listing:
        if folder not in self._listings:
            try:
                names = sorted((entry.name for entry in folder.iterdir()), reverse=True)
            except OSError:
                names = []
            # Of names that are alike, those with an extension of DICOM come first, then those first in order.
            names.sort(key=lambda name: Path(name.casefold()).suffix in _EXTENSIONS)
            self._listings[folder] = {
                form: {form(name): name for name in names} for form in (*_NAMES, *_FILE_NAMES)
            }
        return self._listings[folder]


class Listed:
    """The files of a medium that is no folder, by their paths with `/`. Names are compared as those in folders are."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._known: set[tuple[str, ...]] = set()
        for path in paths:
            *folders, name = path.split("/")
            self._known |= {(*map(_on_disk, folders), form(name)) for form in (*_NAMES, *_FILE_NAMES)}

    def has(self, folder: str, file_id: tuple[str, ...]) -> bool:
        """Return whether there is a file with a File ID, which a DICOMDIR in a folder has."""
        *folders, name = [*filter(None, folder.split("/")), *_components(file_id)]
        return any((*map(_on_disk, folders), form(name)) in self._known for form in (*_NAMES, *_FILE_NAMES))


def _components(file_id: tuple[str, ...]) -> Iterator[str]:
    """Return the components of a File ID, including one written as a single path with slashes."""
    for part in file_id:
        yield from part.replace("\\", "/").split("/")


def _one_of(listing: _Listing, forms: Iterable[_Form], wanted: str) -> str | None:
    """Return the name on the medium that is like the wanted one, by the first of these forms in which one is."""
    return next((name for form in forms if (name := listing[form].get(form(wanted))) is not None), None)


def _plain(name: str) -> str:
    """Return a name without what ISO 9660 may append: a version, a full stop."""
    return unicodedata.normalize("NFC", name).split(";")[0].rstrip(". ").casefold()


def _on_disk(name: str) -> str:
    """Return a name with what mastering software replaces: letters that a File ID may not have."""
    return re.sub(r"[^a-z0-9.]", "_", _plain(name))


def _stem(name: str) -> str:
    """Return a name without an extension of DICOM: PS3.10 8.2 lets the same file have a name with one."""
    plain = _plain(name)
    stem, dot, extension = plain.rpartition(".")
    return _on_disk(stem if dot + extension in _EXTENSIONS else plain)


_Form = Callable[[str], str]
_Listing = dict[_Form, dict[str, str]]

#: In which forms names are compared, the most exact one first; those of files also without extension.
_NAMES: tuple[_Form, ...] = (_plain, _on_disk)
_FILE_NAMES: tuple[_Form, ...] = (_stem,)

_EXTENSIONS = frozenset({".dcm", ".dicom", ".dic", ".ima", ".img"})
