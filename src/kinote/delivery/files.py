"""DICOM files as objects to send, from where they are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from kinote.delivery.outgoing import Sendable
from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet as Header
from kinote.dicom.elements.dataset import scanned
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import find_dataset
from kinote.dicom.values import uids

#: The number of bytes read at once.
_CHUNK = 16 * 1024


class UnsendableFileError(ValueError):
    """The file has no object that could be sent. The message says why."""


def sendable_file(open_file: Callable[[], BinaryIO]) -> Sendable:
    """Read a file as an object to send; its data set is sent unchanged. Raises `UnsendableFileError`."""
    try:
        with open_file() as file:
            transfer_syntax_uid = find_dataset(file)
            offset = file.tell()
            # The data set's own UIDs count, not those of its file meta information.
            header = _beginning(file, transfer_syntax_uid)
            size = file.seek(0, 2) - offset
    except (DicomError, OSError) as error:
        raise UnsendableFileError(f"The file cannot be read: {error}") from error
    sop_class_uid = (header.text(tags.SOP_CLASS_UID) or "").strip()
    sop_instance_uid = (header.text(tags.SOP_INSTANCE_UID) or "").strip()
    if not sop_class_uid or not sop_instance_uid:
        raise UnsendableFileError("The file has no SOP Class UID or no SOP Instance UID.")
    for what, uid in (("SOP Class", sop_class_uid), ("Transfer Syntax", transfer_syntax_uid)):
        # They are proposed for the whole association, which a peer refuses if one is malformed.
        if len(uid) > uids.LONGEST or not uids.is_tolerable(uid):
            raise UnsendableFileError(f"The {what} UID of the file is no UID: {uid[:80]!r}.")
    if not sop_instance_uid.isascii():
        raise UnsendableFileError(f"The SOP Instance UID of the file is no UID: {sop_instance_uid[:80]!r}.")

    def open_data_set() -> DataSet:
        file = open_file()
        file.seek(offset)
        return DataSet(file, size)

    return Sendable(sop_class_uid, sop_instance_uid, transfer_syntax_uid, open_data_set)


def _beginning(file: BinaryIO, transfer_syntax_uid: str) -> Header:
    """Read the data set up to the SOP Instance UID. Nothing after it is read or inflated."""
    scanner = DataSetScanner(transfer_syntax_uid)
    while not any(tag >= tags.SOP_INSTANCE_UID for tag in scanner.walk.root) and (chunk := file.read(_CHUNK)):
        scanner.feed(chunk)
    return scanned(scanner)
