"""Small objects with pixel data, made for tests."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.dicom.files.part10 import find_dataset

_MPEG2 = "1.2.840.10008.1.2.4.100"
BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def image(**attributes: Any) -> Dataset:
    """A header of 2 x 2 pixels of 8 bits; attributes by keyword, None leaves one out."""
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3.4"
    values = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 2,
        "Columns": 2,
        "BitsAllocated": 8,
        "BitsStored": attributes.get("BitsAllocated", 8),
        "PixelRepresentation": 0,
        **attributes,
    }
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    return dataset


def as_file(dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> io.BytesIO:
    """A DICOM file of a data set, native or with pixel data already encapsulated."""
    if "PixelData" in dataset and dataset["PixelData"].VR == "OB or OW":
        dataset["PixelData"].VR = "OW" if (dataset.get("BitsAllocated") or 8) > 8 else "OB"
    if transfer_syntax not in ("1.2.840.10008.1.2", ExplicitVRLittleEndian, "1.2.840.10008.1.2.2") and (
        transfer_syntax != "1.2.840.10008.1.2.1.99"
    ):
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    dataset.file_meta = Dataset()  # type: ignore[assignment]
    known = transfer_syntax if UID(transfer_syntax).is_transfer_syntax else _MPEG2
    dataset.file_meta.TransferSyntaxUID = UID(known)
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    if known != transfer_syntax:
        # pydicom does not know it yet, and writes no file.
        file = io.BytesIO(in_syntax(file.getvalue(), transfer_syntax))
    file.seek(0)
    return file


def in_syntax(file: bytes, transfer_syntax: str) -> bytes:
    """A DICOM file that says that it is in another transfer syntax."""
    begin = file.index(b"\2\0\x10\0UI")
    length = struct.unpack_from("<H", file, begin + 6)[0]
    value = transfer_syntax.encode() + b"\0" * (len(transfer_syntax) % 2)
    group = file.index(b"\2\0\0\0UL") + 8
    group_length = struct.unpack_from("<I", file, group)[0] + len(value) - length
    return (
        file[:group]
        + struct.pack("<I", group_length)
        + file[group + 4 : begin + 6]
        + struct.pack("<H", len(value))
        + value
        + file[begin + 8 + length :]
    )


def items(*values: bytes, table: bytes = b"") -> bytes:
    """An encapsulated pixel data value: offset table and fragments; pydicom writes the delimiter."""
    parts = [table, *(value + b"\0" * (len(value) % 2) for value in values)]
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in parts)


class CountingFile(io.BytesIO):
    """A file that knows how many bytes were read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def at_dataset(file: BinaryIO) -> tuple[BinaryIO, str]:
    """A DICOM file, gone to its data set, and its transfer syntax."""
    file.seek(0)
    return file, find_dataset(file)
