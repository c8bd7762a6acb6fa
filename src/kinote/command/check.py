"""Checking key objects in files, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kinote.app import system_clock
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.check import check_file
from kinote.keyobject.findings import Finding, found
from kinote.keyobject.reader import MAX_BYTES

#: The SOP class stands in the file meta information or near the beginning of the data set, in bytes.
_BEGINNING = 4096


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and what was found in it."""

    file: str
    registration: str
    findings: tuple[Finding, ...]


def check_files(paths: Iterable[Path]) -> Iterator[Checked]:
    """Check files; of folders, every key object in them. A folder without any is told as such."""
    for path in paths:
        if path.is_dir():
            yield from _check_folder(path)
        else:
            yield _check(path)


def _check_folder(path: Path) -> Iterator[Checked]:
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    key_objects = [file for file in files if _may_be_key_object(file)]
    if not key_objects:
        yield Checked(str(path), "unreadable", (found("NO_KEY_OBJECTS", detail=len(files)),))
    for file in key_objects:
        yield _check(file)


def _may_be_key_object(path: Path) -> bool:
    """Whether a file of a folder is worth a check; one that cannot be opened is, so that it is told."""
    try:
        with path.open("rb") as file:
            return KEY_OBJECT_SELECTION.encode() in file.read(_BEGINNING)
    except OSError:
        return True


def _check(path: Path) -> Checked:
    try:
        with path.open("rb") as file:
            # One byte more than is read: the check then says that it is too large.
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Checked(str(path), "unreadable", (found("NOT_READABLE", detail=error.strerror),))
    report = check_file(data, now=system_clock())
    return Checked(str(path), report.registration, report.findings)
