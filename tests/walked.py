"""DICOM files that tests have got, walked to their data sets."""

from __future__ import annotations

from kinote.dicom.files.part10 import FileScanner, ScannedFile
from kinote.storage.digests import digest_of


def walked(file: bytes) -> tuple[ScannedFile, bytes]:
    """What the walker finds in a file, and the bytes of its data set."""
    scanner = FileScanner()
    scanner.feed(file)
    scanned = scanner.finish()
    return scanned, file[scanned.dataset_offset :]


def digest_of_data_set(file: bytes) -> str:
    """The digest that Kinote takes of the data set in a file."""
    return digest_of(walked(file)[1]).root
