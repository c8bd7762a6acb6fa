"""Objects as they go to a receiver that takes native data sets alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from kinote.delivery.files import sendable_file
from kinote.delivery.outgoing import TARGETS, data_set
from kinote.dicom.files.part10 import file_meta_bytes


def natively(source: Path | bytes, syntax: str = TARGETS[0]) -> bytes:
    """A file, re-encoded, as a file. Raises `TranscodingError`."""

    def open_file() -> BinaryIO:
        return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")

    sendable = sendable_file(open_file)
    stored = sendable.open()
    assert stored is not None
    outgoing = data_set(sendable, stored, syntax)
    with outgoing.file as file:
        sent = file.read()
    assert len(sent) == outgoing.size
    return file_meta_bytes(sendable.sop_class_uid, sendable.sop_instance_uid, syntax) + sent


def images(test_data: Path, wanted: Callable[[Dataset], bool]) -> list[Path]:
    """The files of a folder that hold pixels and are wanted."""
    found = []
    for path in sorted(test_data.rglob("*")):
        if path.is_file():
            try:
                dataset = pydicom.dcmread(path)
            except InvalidDicomError:
                continue
            if "PixelData" in dataset and "TransferSyntaxUID" in dataset.file_meta and wanted(dataset):
                found.append(path)
    return found
