"""Memory is at most linear in what was received, with a small constant (law 5): peaks, never seconds.

Each case is what costs most for its size: a million tiny things instead of few large ones.
"""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from kinote.catalog.instances import packed_header
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.elements.dataset import scanned
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.json.from_elements import metadata_json
from kinote.dicom.json.received import ReceivedJsonError, encode_received
from kinote.dicom.pixels.frames import Frames
from kinote.keyobject import reader
from tests.web.objects import as_file, image

#: What anything may take beside what grows with its input, in bytes.
_FIXED = 4 * 1024 * 1024

_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 8) + struct.pack("<HHI", 0x0008, 0x0100, 0)


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _of_items(count: int, item: bytes) -> bytes:
    return struct.pack("<HHI", 0x0008, 0x1115, count * len(item)) + item * count


def _header(data: bytes) -> bytes:
    scanner = DataSetScanner(IMPLICIT_VR_LITTLE_ENDIAN)
    for start in range(0, len(data), 1 << 16):
        scanner.feed(data[start : start + (1 << 16)])
    scanner.finish()
    return packed_header.pack(metadata_json(scanned(scanner)))


@pytest.mark.parametrize("item", [_ITEM, _ITEM[:4] + b"\0\0\0\0"], ids=["of one element", "empty"])
def test_a_header_of_tiny_items_takes_little_more_than_its_text(item: bytes) -> None:
    data = _of_items(50_000, item)
    assert _peak(lambda: _header(data)) < 10 * len(data) + _FIXED


def test_a_key_object_of_tiny_items_takes_little_more_than_its_bytes() -> None:
    items = struct.pack("<HHI", 0x0040, 0xA730, 50_000 * len(_ITEM)) + _ITEM * 50_000
    assert _peak(lambda: reader.read(items, IMPLICIT_VR_LITTLE_ENDIAN)) < 10 * len(items) + _FIXED


@pytest.mark.parametrize(
    ("element", "size"),
    [
        ({"vr": "SQ", "Value": [{}] * 50_000}, 3),
        ({"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["a"]}}] * 5_000}, 40),
        ({"vr": "FD", "Value": [0] * 50_000}, 2),
        ({"vr": "DS", "Value": [1] * 50_000}, 2),
        ({"vr": "PN", "Value": [{"Alphabetic": "a"}] * 10_000}, 20),
    ],
    ids=["empty items", "items", "numbers", "decimals", "names"],
)
def test_received_json_of_tiny_things_takes_little_more_than_its_text(
    element: dict[str, object], size: int
) -> None:
    values = element["Value"]
    assert isinstance(values, list)
    received = {"00081115": element}
    assert _peak(lambda: encode_received(received, lambda uri: b"")) < 60 * size * len(values) + _FIXED


@pytest.mark.parametrize(
    "element",
    [
        None,
        {},
        {"vr": "XX"},
        {"vr": 5},
        {"vr": "SQ", "Value": {}},
        {"vr": "SQ", "Value": [1]},
        {"vr": "US", "Value": [1.5]},
        {"vr": "US", "Value": [70_000]},
        {"vr": "US", "Value": [True]},
        {"vr": "IS", "Value": ["x"]},
        {"vr": "DS", "Value": [{}]},
        {"vr": "LO", "Value": [{}]},
        {"vr": "LO", "Value": ["\ud800"]},
        {"vr": "PN", "Value": [{"Alphabetic": 1}]},
        {"vr": "AT", "Value": ["0008"]},
        {"vr": "OB", "InlineBinary": "?"},
    ],
    ids=str,
)
def test_what_is_no_dicom_json_is_refused_by_its_tag(element: object) -> None:
    with pytest.raises(ReceivedJsonError, match=r"\(0009,0010\)"):
        encode_received({"00090010": element}, lambda uri: b"")


def test_json_that_lies_deep_in_itself_is_refused() -> None:
    level: dict[str, object] = {}
    for _ in range(150):
        level = {"00081115": {"vr": "SQ", "Value": [level]}}
    with pytest.raises(ReceivedJsonError, match="deeper"):
        encode_received(level, lambda uri: b"")


def test_a_deflated_image_is_shown_without_all_of_it_in_memory() -> None:
    dataset = image(rows=8192, columns=2048)
    dataset.PixelData = bytes(8192 * 2048 * 2)
    whole = as_file(dataset)
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    deflater = zlib.compressobj(wbits=-15)
    deflated = deflater.compress(whole[start:]) + deflater.flush()

    def header() -> None:
        assert Frames(io.BytesIO(deflated), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN).count == 1

    # The file in memory grows by doubling until it goes to disk.
    assert _peak(header) < len(whole)


@pytest.mark.parametrize(
    "name", ["-0100010", "0010_010", "0x100010", " 0100010", "+0100010", "00100010 ", "0010001", "\u0660" * 8]
)
def test_a_name_that_is_no_tag_is_refused(name: str) -> None:
    with pytest.raises(ReceivedJsonError, match="is no tag"):
        encode_received({name: {"vr": "LO", "Value": ["x"]}}, lambda uri: b"")
    with pytest.raises(ReceivedJsonError, match="is no tag"):
        encode_received({"00280009": {"vr": "AT", "Value": [name]}}, lambda uri: b"")


def test_a_tag_that_is_given_twice_is_refused() -> None:
    once = {"vr": "LO", "Value": ["x"]}
    with pytest.raises(ReceivedJsonError, match=r"\(0009,10AB\) is given twice"):
        encode_received({"000910AB": once, "000910ab": once}, lambda uri: b"")
