"""What things are said to cost is no less than what Python takes for them, and linear in their size (law 5)."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from kinote.catalog.instances import packed_header
from kinote.decoding.frame_decoder import decode_frame
from kinote.decoding.frame_memory import frame_cost
from kinote.dicom.dictionary.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scanned
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.json.from_elements import metadata_json
from kinote.dicom.json.received import encode_received
from kinote.dicom.pixels.frames import Frames
from kinote.dicom.pixels.pictures import picture_pixels, render_frame
from kinote.keyobject import reader
from kinote.memory import estimates
from kinote.web.dicomweb.retrieving.rendered import OF_PIXEL
from tests.web.objects import as_file, image

#: What anything may take beside what grows with its input, in bytes.
_FIXED = 1024 * 1024
#: What one long value, or a short data set, may take beside for a moment.
_OF_A_VALUE = 3 * 1024 * 1024

_EMPTY = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_OF_ONE = struct.pack("<HHI", 0xFFFE, 0xE000, 8) + struct.pack("<HHI", 0x0008, 0x0100, 0)
_OF_TEXT = struct.pack("<HHI", 0xFFFE, 0xE000, 12) + struct.pack("<HHI", 0x0008, 0x0104, 4) + b"\xc4\xd6\xdc "


def _peak(work: Callable[[], object]) -> int:
    """The peak of the work. Other threads of the tests may allocate meanwhile: the least of several is its own."""
    return min(_peak_of_one(work) for _ in range(3))


def _peak_of_one(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        kept = work()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
        return peak
    finally:
        tracemalloc.stop()


def _element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _items(item: bytes) -> Callable[[int], bytes]:
    return lambda count: _element(0x00081115, item * count)


_HEADERS: dict[str, Callable[[int], bytes]] = {
    "empty items": _items(_EMPTY),
    "items of one element": _items(_OF_ONE),
    "items of a text": _items(_OF_TEXT),
    "items of control characters": _items(_OF_TEXT[:-4] + b"\x01\x02\x03\x04"),
    "items in items": _items(
        struct.pack("<HHI", 0xFFFE, 0xE000, 8 + len(_EMPTY)) + _element(0x00081115, _EMPTY)
    ),
    "many elements": lambda count: b"".join(
        _element(0x00090000 + n, b"") for n in range(0x1000, 0x1000 + count)
    ),
    "values of many parts": lambda count: b"".join(_element(0x00280010 + n, b"\0\0" * count) for n in (0, 1)),
    "numbers as texts": lambda count: _element(0x00200032, b"1\\" * count),
    "names": lambda count: _element(0x00100010, b"a\\" * count),
}


@pytest.mark.parametrize("kind", _HEADERS)
@pytest.mark.parametrize("count", [3_000, 12_000])
def test_a_header_takes_no_more_than_is_charged(kind: str, count: int) -> None:
    data = _HEADERS[kind](count)
    told: list[int] = []

    def read() -> bytes:
        scanner = DataSetScanner(IMPLICIT_VR_LITTLE_ENDIAN, keeps=told.append)
        for start in range(0, len(data), 1 << 16):
            scanner.feed(data[start : start + (1 << 16)])
        scanner.finish()
        return packed_header.pack(metadata_json(scanned(scanner)))

    # Once before, so that tables that are made once do not count.
    read()
    assert _peak(read) < estimates.of_header(told[-1]) + _OF_A_VALUE
    assert told[-1] >= len(data) - (1 << 16)


def test_a_key_object_takes_no_more_than_is_charged() -> None:
    data = struct.pack("<HHI", 0x0040, 0xA730, 15_000 * len(_OF_ONE)) + _OF_ONE * 15_000
    reader.read(data, IMPLICIT_VR_LITTLE_ENDIAN)
    assert _peak(lambda: reader.read(data, IMPLICIT_VR_LITTLE_ENDIAN)) < (
        estimates.of_header(len(data)) + _FIXED
    )


_JSON: dict[str, Callable[[int], object]] = {
    "lists": lambda count: [[] for _ in range(count)],
    "objects": lambda count: [{} for _ in range(count)],
    "names": lambda count: {f"a{number}": 0 for number in range(count)},
    "numbers": lambda count: list(range(1000, 1000 + count)),
    "floats": lambda count: [number + 0.5 for number in range(count)],
    "texts": lambda count: [f"t{number}" for number in range(count)],
    "one long text": lambda count: ["\u00e4" * count],
}


@pytest.mark.parametrize("kind", _JSON)
@pytest.mark.parametrize("count", [3_000, 12_000])
def test_json_takes_no_more_than_is_charged(kind: str, count: int) -> None:
    text = json.dumps(_JSON[kind](count), separators=(",", ":"), ensure_ascii=False).encode()
    assert _peak(lambda: json.loads(text)) + len(text) < estimates.of_json(text) + _FIXED


@pytest.mark.parametrize(
    "element",
    [
        {"vr": "SQ", "Value": [{}] * 8_000},
        {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["a"]}}] * 5_000},
        {"vr": "FD", "Value": [0] * 15_000},
        {"vr": "DS", "Value": [1] * 15_000},
        {"vr": "PN", "Value": [{"Alphabetic": "a"}] * 10_000},
        {"vr": "OB", "InlineBinary": "AAAA" * 100_000},
    ],
    ids=["empty items", "items", "numbers", "decimals", "names", "binary"],
)
def test_dicom_json_takes_no_more_than_is_charged(element: dict[str, object]) -> None:
    text = json.dumps({"00081115": element}, separators=(",", ":")).encode()

    def read() -> object:
        received = json.loads(text)
        return received, encode_received(received, lambda uri: b"")

    read()
    assert _peak(read) + len(text) < estimates.of_json(text) + _FIXED


@pytest.mark.parametrize("rows", [256, 512])
@pytest.mark.parametrize("viewport", [None, (1024, 1024), (64, 64)])
def test_a_picture_takes_no_more_than_is_charged(rows: int, viewport: tuple[int, int] | None) -> None:
    dataset = image(rows=rows, columns=1024)
    dataset.PixelData = np.random.default_rng(1).integers(0, 4000, (rows, 1024), np.uint16).tobytes()
    data = as_file(dataset)
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    file = io.BytesIO(data)
    file.seek(start)
    frames = Frames(file, dataset.file_meta.TransferSyntaxUID)
    cost = frame_cost(frames, 1) + OF_PIXEL * picture_pixels(frames, viewport)

    def show() -> bytes:
        samples = decode_frame(frames, 1)
        return render_frame(frames, 1, samples, viewport=viewport, format="png")

    # Once before, so that tables that are made once do not count.
    show()
    assert _peak(show) < cost + _FIXED
