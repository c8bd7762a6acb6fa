"""Rows remembered by their bytes: read once, and never taken for others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kinote.catalog.columns.attributes import SERIES_ATTRIBUTES, STUDY_ATTRIBUTES
from kinote.catalog.instances import entry
from kinote.catalog.instances.row_cache import RowCache
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.byte_cache import caches_disabled
from kinote.dicom.elements.dataset import DataSet, scan
from tests.dicom.test_part10 import CUT, dicom_files, scan_file

_WANTED = (tags.PATIENT_NAME, tags.PATIENT_ID)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr
    return head + len(value).to_bytes(2, "little") + value


def data_set(
    name: bytes, identity: bytes = b"P1", terms: bytes = b"ISO_IR 100", sop: bytes = b"1.2"
) -> DataSet:
    return scan(
        element(tags.SPECIFIC_CHARACTER_SET, b"CS", terms)
        + element(tags.SOP_INSTANCE_UID, b"UI", sop)
        + element(tags.PATIENT_NAME, b"PN", name)
        + element(tags.PATIENT_ID, b"LO", identity),
        EXPLICIT_VR_LITTLE_ENDIAN,
    )


class Reader:
    """Reads two attributes, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, dataset: DataSet) -> dict[str, Any]:
        self.times += 1
        return {"name": dataset.text(tags.PATIENT_NAME), "id": dataset.text(tags.PATIENT_ID)}


def test_objects_that_say_the_same_share_a_row() -> None:
    reader = Reader()
    rows = RowCache(_WANTED, reader)
    assert rows(data_set(b"Doe")) == rows(data_set(b"Doe", sop=b"1.3")) == {"name": "Doe", "id": "P1"}
    assert reader.times == 1


@pytest.mark.parametrize(
    "other",
    [
        data_set("Kröte".encode("latin-1"), terms=b"ISO_IR 101"),
        data_set("Kröte".encode("latin-1") + b"^J"),
        data_set("Kröte".encode("latin-1"), identity=b"P2"),
    ],
)
def test_objects_that_say_anything_else_do_not(other: DataSet) -> None:
    reader = Reader()
    rows = RowCache(_WANTED, reader)
    rows(data_set("Kröte".encode("latin-1")))
    assert rows(other) == Reader()(other)
    assert reader.times == 2


def test_long_values_are_read_each_time_and_rows_are_not_kept_without_end() -> None:
    reader = Reader()
    rows = RowCache(_WANTED, reader, capacity=2)
    for _ in range(2):
        assert rows(data_set(b"Doe", identity=b"P" * 2000))["id"] == "P" * 2000
    assert reader.times == 2
    for number in (1, 2, 3, 1):
        assert rows(data_set(b"Doe", identity=b"%d" % number))["id"] == str(number)
    assert reader.times == 6


@pytest.mark.parametrize(
    ("reads", "attributes", "least"),
    [
        ([entry._read_study_row], STUDY_ATTRIBUTES, 12),
        ([entry._read_series_row, entry.series_columns], SERIES_ATTRIBUTES, 7),
    ],
)
def test_rows_are_read_from_what_they_are_remembered_by(
    reads: Sequence[Callable[..., object]], attributes: tuple[int, ...], least: int
) -> None:
    names = set(re.findall(r"dataset\.\w+\(\s*tags\.(\w+)", "".join(map(inspect.getsource, reads))))
    assert len(names) >= least
    assert {name for name in names if getattr(tags, name) not in attributes} == set()


def test_rows_of_every_file_are_the_same_without_caches(test_data: Path) -> None:
    for path in dicom_files(test_data):
        if path.name == CUT:
            continue
        dataset = scan_file(path).dataset
        cached = [(entry._study_row(dataset), entry._series_row(dataset)) for _ in range(2)]
        with caches_disabled():
            assert [(entry._study_row(dataset), entry._series_row(dataset))] * 2 == cached
