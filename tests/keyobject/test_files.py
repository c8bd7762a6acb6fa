"""`read_file` takes whatever people have: paths, open files, bytes, data sets."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest

import kinote
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.keyobject.files import read_file
from kinote.keyobject.writer import encode, encode_file
from tests.keyobject.documents import document

FILE = encode_file(document())


def test_everything_gives_the_same_reading(tmp_path: Path) -> None:
    path = tmp_path / "note.dcm"
    path.write_bytes(FILE)
    expected = read_file(FILE)
    assert expected.registration == "registered"
    dataset = pydicom.dcmread(path)
    without_meta = scan(encode(document()), EXPLICIT_VR_LITTLE_ENDIAN)
    for source in (
        path,
        str(path),
        bytearray(FILE),
        memoryview(FILE),
        io.BytesIO(FILE),
        dataset,
        without_meta,
    ):
        assert read_file(source) == expected, type(source)
    with path.open("rb") as file:
        assert read_file(file) == expected
        assert not file.closed


def test_what_pydicom_cannot_write_is_unreadable() -> None:
    dataset = pydicom.dcmread(io.BytesIO(FILE))
    dataset.add_new(0x00280010, "US", "many")
    reading = read_file(dataset)
    assert (reading.registration, reading.findings[0].code) == ("unreadable", "NOT_READABLE")


def test_what_is_no_file_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing.dcm")
    with pytest.raises(TypeError, match="binary mode"):
        read_file(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int"):
        read_file(7)  # type: ignore[arg-type]


def test_the_package_says_its_version() -> None:
    assert kinote.__version__
