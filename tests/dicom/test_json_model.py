"""DICOM JSON: what pydicom reads back is what it reads from the file."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom

from kinote.dicom.json_model import metadata_json
from tests.dicom.test_part10 import CUT, dicom_files, scan_file


def test_metadata_of_every_file_is_what_pydicom_has(test_data: Path) -> None:
    compared = 0
    for path in dicom_files(test_data):
        if path.name == CUT:
            continue
        metadata = json.loads(metadata_json(scan_file(path).dataset))
        oracle = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        for element in oracle:
            if element.VR not in ("LO", "SH", "UI", "CS", "DA", "TM") or element.tag.is_private:
                continue
            if element.tag == 0x00080005:
                continue
            ours = [value or "" for value in metadata[f"{element.tag:08X}"].get("Value", [])]
            theirs = (
                element.value if isinstance(element.value, pydicom.multival.MultiValue) else [element.value]
            )
            expected = [] if element.is_empty else [str(value).strip() for value in theirs]
            assert ours == expected, f"{path} {element.tag}"
            compared += 1
    assert compared > 4000


def test_bulk_is_a_relative_address(test_data: Path) -> None:
    path = next(path for path in dicom_files(test_data) if path.name == "ct_image.dcm")
    metadata = json.loads(metadata_json(scan_file(path).dataset))
    assert metadata["7FE00010"] == {"vr": metadata["7FE00010"]["vr"], "BulkDataURI": "/7FE00010"}
