"""Reads key objects from DICOM files (PS3.10), as found on disks and media."""

from __future__ import annotations

from datetime import datetime

from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.part10 import read_file_meta
from kinote.keyobject.findings import found
from kinote.keyobject.reader import read
from kinote.keyobject.reading import Reading


def read_file(data: bytes, *, now: datetime | None = None) -> Reading:
    """Read a file, or a data set without file meta information, whose transfer syntax is then guessed.

    Never raises: a file that cannot be read gives a reading that is `unreadable`, and its findings say why. `now`
    is explained at `kinote.keyobject.reader.read`.
    """
    try:
        file = read_file_meta(data)
    except DicomError as error:
        return Reading("unreadable", (found("NOT_READABLE", detail=error),))
    return read(data[file.dataset_offset :], file.transfer_syntax, now=now)
