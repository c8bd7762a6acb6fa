"""Identifiers of requests and of answers, written and read by pydicom."""

from __future__ import annotations

import io
import zlib
from typing import Any

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

SYNTAXES = (
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


def request(level: str, /, **attributes: Any) -> Dataset:
    """An identifier; attributes by keyword, a sequence as a list of dictionaries."""
    made = filled(attributes)
    made.QueryRetrieveLevel = level
    return made


def filled(attributes: dict[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        items = isinstance(value, list) and keyword.endswith("Sequence")
        setattr(made, keyword, [filled(each) for each in value] if items else value)
    return made


def encoded(dataset: Dataset, syntax: str) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(
        buffer,
        dataset,
        implicit_vr=syntax == IMPLICIT_VR_LITTLE_ENDIAN,
        little_endian=syntax != EXPLICIT_VR_BIG_ENDIAN,
        force_encoding=True,
        enforce_file_format=False,
    )
    if syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return buffer.getvalue()
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(buffer.getvalue()) + deflater.flush()


def decoded(data: bytes, syntax: str) -> Dataset:
    buffer = io.BytesIO()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = UID("1.2")
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID("1.2")
    head = Dataset()
    head.file_meta = meta
    dcmwrite(buffer, head, enforce_file_format=True)
    # What pydicom has written for an empty data set in this syntax goes.
    whole = buffer.getvalue()
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    return dcmread(io.BytesIO(whole[:start] + data))
