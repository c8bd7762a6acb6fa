"""Reads key objects from DICOM files (PS3.10), as found on disks and media, and from data sets of pydicom."""

from __future__ import annotations

import io
import os
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements import dataset as elements
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files.part10 import read_file_meta
from kinote.keyobject.findings import found
from kinote.keyobject.reader import read, read_dataset
from kinote.keyobject.reading import Reading

_SYNTAXES = {
    ("<", True): EXPLICIT_VR_LITTLE_ENDIAN,
    ("<", False): IMPLICIT_VR_LITTLE_ENDIAN,
    (">", True): EXPLICIT_VR_BIG_ENDIAN,
}

#: What `read_file` reads: the bytes of a file, a path, an open file, or a data set of pydicom or of
#: `kinote.dicom.elements`.
Readable = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO | Dataset | elements.DataSet


def read_file(source: Readable, *, now: datetime | None = None) -> Reading:
    """Read a file, or a data set without file meta information, whose transfer syntax is then guessed.

    A `str` is a path. An open file is read from where it stands to its end, and stays open. A data set of pydicom is
    read as it would be written. What cannot be read as a key object raises nothing: it gives a reading that is
    `unreadable`, and its findings say why. `now` is explained at `kinote.keyobject.reader.read`. Raises `OSError` where
    there is no such file, and TypeError for anything else.
    """
    if isinstance(source, elements.DataSet):
        syntax = _SYNTAXES[source.encoding.order, source.encoding.explicit]
        return read_dataset(source, syntax, now=now)
    try:
        data = _bytes_of(source)
        file = read_file_meta(data)
    except DicomError as error:
        return Reading("unreadable", (found("NOT_READABLE", detail=error),))
    return read(data[file.dataset_offset :], file.transfer_syntax, now=now)


def _bytes_of(source: object) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    if isinstance(source, Dataset):
        return _written(source)
    if hasattr(source, "read"):
        data = cast(BinaryIO, source).read()
        if isinstance(data, bytes):
            return data
        raise TypeError("The file is open as text; open it in binary mode ('rb').")
    raise TypeError(f"A {type(source).__name__} is no file, no path, no bytes and no data set.")


def _written(dataset: Dataset) -> bytes:
    """Return a data set of pydicom as the bytes of a file. Raises `DicomError` where pydicom cannot write it."""
    buffer = io.BytesIO()
    meta = getattr(dataset, "file_meta", None)
    syntax = getattr(meta, "TransferSyntaxUID", None) or ExplicitVRLittleEndian
    try:
        dcmwrite(
            buffer,
            dataset,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
            force_encoding=True,
        )
    except Exception as error:  # pydicom raises whatever its conversions raise.
        raise DicomError(f"pydicom cannot write the data set: {error}", 0) from error
    return buffer.getvalue()
