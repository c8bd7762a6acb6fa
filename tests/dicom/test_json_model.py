"""DICOM JSON: what pydicom reads back is what it reads from the file."""

from __future__ import annotations

import base64
import json
import math
import struct
from pathlib import Path

import pydicom
import pytest

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import DataSet, scan
from kinote.dicom.json import from_elements
from kinote.dicom.json.fragments import FragmentCache
from kinote.dicom.json.from_elements import metadata_json, selection_json
from tests.dicom.elements import Writer
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


def data_set(*elements: bytes, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN) -> DataSet:
    return scan(Writer(syntax).element(0x00080016, "UI", b"1.2\0") + b"".join(elements), syntax)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "attribute"),
    [
        (0x00080060, "CS", b"CT", {"vr": "CS", "Value": ["CT"]}),
        (0x00080060, "CS", b"", {"vr": "CS"}),
        (0x00080008, "CS", b"A\\\\B ", {"vr": "CS", "Value": ["A", None, "B"]}),
        (0x00201206, "IS", b"12", {"vr": "IS", "Value": [12]}),
        (0x00201206, "IS", b"2.7", {"vr": "IS", "Value": ["2.7"]}),
        (0x00201206, "IS", b"1_0", {"vr": "IS", "Value": ["1_0"]}),
        (0x00201206, "IS", b"1e3", {"vr": "IS", "Value": ["1e3"]}),
        (0x00201206, "IS", b"9999999999", {"vr": "IS", "Value": ["9999999999"]}),
        (0x00180050, "DS", b"1_0", {"vr": "DS", "Value": ["1_0"]}),
        (0x00180050, "DS", b"1e999", {"vr": "DS", "Value": ["1e999"]}),
        (0x00180050, "DS", b"nan ", {"vr": "DS", "Value": ["nan"]}),
        (0x00180050, "DS", b"1.50", {"vr": "DS", "Value": [1.5]}),
        (0x00180050, "DS", b"thick ", {"vr": "DS", "Value": ["thick"]}),
        (0x00189999, "FD", struct.pack("<d", math.nan), {"vr": "FD", "Value": ["NaN"]}),
        (0x00189999, "FD", struct.pack("<d", -math.inf), {"vr": "FD", "Value": ["-Infinity"]}),
        (0x00091001, "UV", struct.pack("<Q", 2**64 - 1), {"vr": "UV", "Value": [str(2**64 - 1)]}),
        (
            0x00091001,
            "AT",
            struct.pack("<4H", 0x10, 0x20, 0x7FE0, 0x10),
            {"vr": "AT", "Value": ["00100020", "7FE00010"]},
        ),
        (0x00091001, "OB", b"\1\2", {"vr": "OB", "InlineBinary": "AQI="}),
        (0x00091001, "UN", b"\1\2", {"vr": "UN", "InlineBinary": "AQI="}),
        (0x0040A160, "UT", b"a\\b\n", {"vr": "UT", "Value": ["a\\b\n"]}),
        (
            0x00100010,
            "PN",
            b"Doe^John==\\Roe",
            {"vr": "PN", "Value": [{"Alphabetic": "Doe^John"}, {"Alphabetic": "Roe"}]},
        ),
        (0x00091001, "OB", bytes(1026), {"vr": "OB", "BulkDataURI": "/00091001"}),
    ],
)
def test_an_attribute_by_its_representation(tag: int, vr: str, value: bytes, attribute: object) -> None:
    dataset = data_set(Writer(EXPLICIT_VR_LITTLE_ENDIAN).element(tag, vr, value))
    assert json.loads(metadata_json(dataset))[f"{tag:08X}"] == attribute
    assert json.loads(selection_json(dataset, [tag])) == {f"{tag:08X}": attribute}


def test_values_within_sequences_and_the_addresses_of_bulk_in_them() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    item = writer.element(0x00080104, "LO", "Größe".encode()) + writer.element(0x54001010, "OW", bytes(2000))
    dataset = data_set(
        writer.element(0x00080005, "CS", b"ISO_IR 192"),
        writer.sequence(0x54000100, writer.item(b""), writer.item(item, undefined=True)),
    )
    metadata = json.loads(metadata_json(dataset))
    assert metadata["54000100"]["Value"] == [
        {},
        {
            "00080104": {"vr": "LO", "Value": ["Größe"]},
            "54001010": {"vr": "OW", "BulkDataURI": "/54000100/1/54001010"},
        },
    ]
    assert [span.address for span in dataset.bulk] == ["54000100/1/54001010"]
    assert metadata["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_a_selection_has_what_was_asked_for_and_nothing_else() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    dataset = data_set(
        writer.element(0x00080005, "CS", b"ISO_IR 192"), writer.element(0x00080060, "CS", b"KO")
    )
    assert json.loads(selection_json(dataset, [0x00080060, 0x00080070])) == {
        "00080060": {"vr": "CS", "Value": ["KO"]}
    }


def test_binary_values_are_little_endian() -> None:
    dataset = data_set(
        Writer(EXPLICIT_VR_BIG_ENDIAN).element(0x00091001, "OW", b"\1\2\3\4"), syntax=EXPLICIT_VR_BIG_ENDIAN
    )
    assert (
        json.loads(metadata_json(dataset))["00091001"]["InlineBinary"]
        == base64.b64encode(b"\2\1\4\3").decode()
    )


def test_the_same_bytes_mean_another_thing_in_another_context() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    name = writer.element(0x00100010, "PN", b"\xbb")
    texts = [
        json.loads(metadata_json(data_set(writer.element(0x00080005, "CS", term), name)))["00100010"]["Value"]
        for term in (b"ISO_IR 144", b"ISO_IR 126")
    ]
    assert texts == [[{"Alphabetic": "\u041b"}], [{"Alphabetic": "\u00bb"}]]
    big = data_set(
        Writer(EXPLICIT_VR_BIG_ENDIAN).element(0x00280010, "US", b"\1\0"), syntax=EXPLICIT_VR_BIG_ENDIAN
    )
    assert json.loads(metadata_json(big))["00280010"]["Value"] == [256]


def test_what_changed_is_all_that_is_made_for_the_next_of_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FragmentCache(1 << 20)
    monkeypatch.setattr(from_elements, "_fragments", cache)
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)

    def instance(number: int) -> DataSet:
        same = [writer.element(0x00090000 | tag, "LO", b"the same") for tag in range(0x1000, 0x1064)]
        return data_set(*same, writer.element(0x00200013, "IS", b"%d" % number))

    metadata_json(instance(10))
    first = cache.misses
    metadata_json(instance(11))
    assert (first, cache.misses) == (102, 103)


def test_what_is_alike_in_sequences_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FragmentCache(1 << 20)
    monkeypatch.setattr(from_elements, "_fragments", cache)
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)

    def instance(number: int) -> DataSet:
        code = writer.sequence(0x0040A043, writer.item(writer.element(0x00080100, "SH", b"113000")))
        item = code + writer.element(0x00081155, "UI", b"1.%d" % number)
        return data_set(writer.sequence(0x0040A730, writer.item(item), writer.item(item)))

    metadata_json(instance(10))
    first = cache.misses
    metadata = json.loads(metadata_json(instance(11)))
    assert (
        metadata["0040A730"]["Value"]
        == [
            {
                "0040A043": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["113000"]}}]},
                "00081155": {"vr": "UI", "Value": ["1.11"]},
            }
        ]
        * 2
    )
    assert (first, cache.misses) == (5, 7)


def test_the_same_bytes_mean_another_thing_in_an_item_of_another_character_set() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    name = writer.element(0x00100010, "PN", b"\xbb")
    cyrillic = writer.element(0x00080005, "CS", b"ISO_IR 144") + name
    dataset = data_set(
        writer.element(0x00080005, "CS", b"ISO_IR 126"),
        writer.sequence(0x00081115, writer.item(name), writer.item(cyrillic), writer.item(name)),
    )
    names = [item["00100010"]["Value"][0] for item in json.loads(metadata_json(dataset))["00081115"]["Value"]]
    assert [name["Alphabetic"] for name in names] == ["\u00bb", "\u041b", "\u00bb"]


def test_the_address_of_bulk_in_an_item_is_that_of_its_item() -> None:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    item = writer.item(writer.element(0x54001010, "OW", bytes(2000)))
    dataset = data_set(writer.sequence(0x54000100, item, item))
    addresses = [
        each["54001010"]["BulkDataURI"] for each in json.loads(metadata_json(dataset))["54000100"]["Value"]
    ]
    assert addresses == ["/54000100/0/54001010", "/54000100/1/54001010"]


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FragmentCache(50_000)
    monkeypatch.setattr(from_elements, "_fragments", cache)
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    for number in range(1000):
        dataset = data_set(writer.element(0x00200013, "IS", b"%d" % number))
        assert json.loads(metadata_json(dataset))["00200013"]["Value"] == [number]
        assert cache.size < 52_000
