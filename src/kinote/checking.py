"""Checking key objects in files, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kinote.dicom import sop_classes, tags
from kinote.dicom.errors import DicomError
from kinote.dicom.part10 import FileScanner
from kinote.keyobject.findings import Finding, found
from kinote.keyobject.reader import MAX_BYTES, read


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and what was found in it."""

    file: str
    registration: str
    findings: tuple[Finding, ...]


def check_files(paths: Iterable[Path]) -> Iterator[Checked]:
    """Check files; of folders, every key object in them."""
    for path in paths:
        if path.is_dir():
            for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
                checked = _check(file)
                if checked.findings != _NOT_ONE:
                    yield checked
        else:
            yield _check(path)


_NOT_ONE = (found("NOT_A_KEY_OBJECT", "(0008,0016)"),)


def _check(path: Path) -> Checked:
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
        scanner = FileScanner()
        scanner.feed(data)
        scanned = scanner.finish()
    except OSError as error:
        return Checked(str(path), "unreadable", (found("NOT_READABLE", detail=error.strerror),))
    except DicomError as error:
        return Checked(str(path), "unreadable", (found("NOT_READABLE", detail=error),))
    if scanned.dataset.text(tags.SOP_CLASS_UID) != sop_classes.KEY_OBJECT_SELECTION:
        return Checked(str(path), "unreadable", _NOT_ONE)
    reading = read(data[scanned.dataset_offset :], scanned.transfer_syntax)
    return Checked(str(path), reading.registration, reading.findings)
