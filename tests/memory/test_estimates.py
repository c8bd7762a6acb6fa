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
from kinote.web.dicomweb.rendered import OF_PIXEL
from tests.web.objects import as_file, image

#: What anything may take beside what grows with its input, in bytes.
_FIXED = 4 * 1024 * 1024

_EMPTY = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_OF_ONE = struct.pack("<HHI", 0xFFFE, 0xE000, 8) + struct.pack("<HHI", 0x0008, 0x0100, 0)
_OF_TEXT = struct.pack("<HHI", 0xFFFE, 0xE000, 12) + struct.pack("<HHI", 0x0008, 0x0104, 4) + b"\xc4\xd6\xdc "


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        kept = work()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
        return peak
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("item", [_EMPTY, _OF_ONE, _OF_TEXT], ids=["empty", "of one", "of text"])
@pytest.mark.parametrize("count", [10_000, 40_000])
def test_a_header_takes_no_more_than_is_charged(item: bytes, count: int) -> None:
    data = struct.pack("<HHI", 0x0008, 0x1115, count * len(item)) + item * count
    told: list[int] = []

    def read() -> bytes:
        scanner = DataSetScanner(IMPLICIT_VR_LITTLE_ENDIAN, keeps=told.append)
        for start in range(0, len(data), 1 << 16):
            scanner.feed(data[start : start + (1 << 16)])
        scanner.finish()
        return packed_header.pack(metadata_json(scanned(scanner)))

    assert _peak(read) < estimates.of_header(told[-1]) + _FIXED
    assert told[-1] >= len(data) - (1 << 16)


def test_a_key_object_takes_no_more_than_is_charged() -> None:
    data = struct.pack("<HHI", 0x0040, 0xA730, 40_000 * len(_OF_ONE)) + _OF_ONE * 40_000
    assert _peak(lambda: reader.read(data, IMPLICIT_VR_LITTLE_ENDIAN)) < (
        estimates.of_header(len(data)) + _FIXED
    )


_JSON = {
    "lists": lambda count: [[] for _ in range(count)],
    "objects": lambda count: [{} for _ in range(count)],
    "names": lambda count: {f"a{number}": 0 for number in range(count)},
    "numbers": lambda count: list(range(1000, 1000 + count)),
    "floats": lambda count: [number + 0.5 for number in range(count)],
    "texts": lambda count: [f"t{number}" for number in range(count)],
    "one long text": lambda count: ["\u00e4" * count],
}


@pytest.mark.parametrize("kind", _JSON)
@pytest.mark.parametrize("count", [10_000, 40_000])
def test_json_takes_no_more_than_is_charged(kind: str, count: int) -> None:
    text = json.dumps(_JSON[kind](count), separators=(",", ":"), ensure_ascii=False).encode()
    assert _peak(lambda: json.loads(text)) + len(text) < estimates.of_json(text) + _FIXED


@pytest.mark.parametrize(
    "element",
    [
        {"vr": "SQ", "Value": [{}] * 20_000},
        {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["a"]}}] * 5_000},
        {"vr": "FD", "Value": [0] * 40_000},
        {"vr": "DS", "Value": [1] * 40_000},
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

    assert _peak(read) + len(text) < estimates.of_json(text) + _FIXED


@pytest.mark.parametrize("rows", [256, 1024])
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
