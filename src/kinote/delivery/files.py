"""DICOM files as objects to be sent, where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import pydicom
from pydicom.errors import InvalidDicomError

from kinote.delivery.outgoing import Sendable
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.files.part10 import find_dataset


class UnsendableFileError(ValueError):
    """A file that holds no object that could be sent; the message says why."""


def sendable_file(open_file: Callable[[], BinaryIO]) -> Sendable:
    """What a file holds, its data set to be sent as it is. Raises `UnsendableFileError`."""
    try:
        with open_file() as file:
            transfer_syntax_uid = find_dataset(file)
            offset = file.tell()
            size = file.seek(0, 2) - offset
            file.seek(0)
            # What it says of itself counts, not what its file meta information says.
            header = pydicom.dcmread(
                file, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"]
            )
            sop_class_uid, sop_instance_uid = header.get("SOPClassUID"), header.get("SOPInstanceUID")
    except (DicomError, InvalidDicomError, OSError, ValueError, AttributeError, NotImplementedError) as error:
        # pydicom raises NotImplementedError for a value representation that is none.
        raise UnsendableFileError(f"The file cannot be read: {error}") from error
    if not sop_class_uid or not sop_instance_uid:
        raise UnsendableFileError("The file has no SOP Class UID or no SOP Instance UID.")

    def open_data_set() -> DataSet:
        file = open_file()
        file.seek(offset)
        return DataSet(file, size)

    return Sendable(str(sop_class_uid), str(sop_instance_uid), transfer_syntax_uid, open_data_set)
