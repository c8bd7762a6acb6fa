"""Reads a DICOM file (PS3.10) up to its pixels, with everything that marks may be in."""

from __future__ import annotations

from pathlib import Path

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet, scanned
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.files.part10 import find_dataset

_AT_ONCE = 256 * 1024

#: The prefix of a DICOM file (PS3.10 7.1), after a preamble of 128 bytes.
_PREFIX, _PREAMBLE = b"DICM", 128

#: OsiriX writes its annotations as one binary value, of this many bytes at most.
_LIMITS = Limits(bulk_binary=16 * 1024 * 1024, bulk_text=1024 * 1024)


def header_of(path: Path) -> DataSet | None:
    """Return the data set of a file, without its pixels; None if the file is no DICOM.

    Raises a `DicomError` if it cannot be read so far, and OSError.
    """
    with path.open("rb") as file:
        if file.read(_PREAMBLE + len(_PREFIX))[_PREAMBLE:] != _PREFIX:
            return None
        file.seek(0)
        scanner = DataSetScanner(find_dataset(file), _LIMITS)
        while scanner.pixels is None and (chunk := file.read(_AT_ONCE)):
            scanner.feed(chunk)
        if scanner.pixels is None:
            scanner.finish()
        return scanned(scanner)


def said(dataset: DataSet, tag: int) -> str:
    """Return the text of an attribute; '' if it is absent."""
    return (dataset.text(tag) or "").strip()


def patient_of(dataset: DataSet) -> dict[str, str]:
    """Return the columns of the table that say whose object this is."""
    return {"patient_id": said(dataset, tags.PATIENT_ID), "issuer": said(dataset, tags.ISSUER_OF_PATIENT_ID)}


def moment_of(dataset: DataSet, date_tag: int, time_tag: int) -> str:
    """Return a date and a time of an object as DICOM's DT, with its offset if it has one; '' if there is no date."""
    date, time = said(dataset, date_tag), said(dataset, time_tag)
    if len(date) != 8 or not date.isdigit():
        return ""
    clock = time[:6] if time[:6].isdigit() and len(time) >= 6 else ""
    return f"{date}{clock}{said(dataset, tags.TIMEZONE_OFFSET_FROM_UTC) if clock else ''}"
