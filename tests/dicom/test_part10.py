"""DICOM files: every file of the shared data is walked as pydicom reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from kinote.dicom.elements.errors import TruncatedError
from kinote.dicom.files.part10 import FileScanner, ScannedFile, file_meta_bytes

TAGS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020, 0x00080060, 0x00081030)

#: Cut in its pixel data by its authors, to test readers.
CUT = "emri_small_jpeg_2k_lossless_too_short.dcm"

#: Have no Study and Series Instance UID.
HOMELESS = ["HTJ2KLossless_08_RGB.dcm", "HTJ2K_08_RGB.dcm"]


def scan_file(path: Path, pass_by: Callable[[Any], object] | None = None) -> ScannedFile:
    scanner = FileScanner(pass_by=pass_by)
    with path.open("rb") as file:
        while chunk := file.read(4096):
            scanner.feed(chunk)
    return scanner.finish()


def dicom_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".json", ".txt"))


def test_every_file_is_read_as_pydicom_reads_it(test_data: Path) -> None:
    files = dicom_files(test_data)
    assert len(files) > 180
    for path in files:
        if path.name == CUT:
            with pytest.raises(TruncatedError):
                scan_file(path)
            continue
        passed: list[bytes] = []
        scanned = scan_file(path, pass_by=lambda chunk: passed.append(bytes(chunk)))  # noqa: B023
        oracle = pydicom.dcmread(path, force=True)
        for tag in TAGS:
            theirs = oracle.get(tag)
            expected = None if theirs is None else str(theirs.value or "")
            assert scanned.dataset.text(tag) == expected, f"{path} {tag:08X}"
        data = path.read_bytes()[scanned.dataset_offset :]
        assert scanned.size == len(data)
        assert b"".join(passed) == data


def test_file_meta_information_is_as_pydicom_expects(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(file_meta_bytes("1.2.840.10008.5.1.4.1.1.88.59", "1.2.3", "1.2.840.10008.1.2.1", "AE"))
    meta = pydicom.filereader.read_file_meta_info(path)
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert meta.FileMetaInformationGroupLength == len(path.read_bytes()) - 144


@pytest.mark.parametrize("implicit", [False, True])
def test_a_bare_data_set_is_guessed(implicit: bool, tmp_path: Path) -> None:
    dataset = pydicom.Dataset()
    dataset.SOPInstanceUID = "1.2.3"
    path = tmp_path / "bare"
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    scanned = scan_file(path)
    assert scanned.meta is None
    assert scanned.dataset_offset == 0
    assert scanned.dataset.text(0x00080018) == "1.2.3"
