"""From colour samples to red, green and blue: every colour space, palettes, planes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from tests.dicom.pixel_objects import as_file, image
from tests.dicom.shown import pixels

#: Primary colours and greys as red, green, blue, and as YBR_FULL by the equations of PS3.3 C.7.6.3.1.2.
_RGB = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)]


def _ybr_full(red: int, green: int, blue: int) -> tuple[int, int, int]:
    y = 0.2990 * red + 0.5870 * green + 0.1140 * blue
    cb = -0.1687 * red - 0.3313 * green + 0.5 * blue + 128
    cr = 0.5 * red - 0.4187 * green - 0.0813 * blue + 128
    return min(round(y), 255), min(round(cb), 255), min(round(cr), 255)


def _ybr_partial(red: int, green: int, blue: int) -> tuple[int, int, int]:
    y = 0.2568 * red + 0.5041 * green + 0.0979 * blue + 16
    cb = -0.1482 * red - 0.2910 * green + 0.4392 * blue + 128
    cr = 0.4392 * red - 0.3678 * green - 0.0714 * blue + 128
    return round(y), round(cb), round(cr)


def _colours(dataset: Dataset) -> list[tuple[int, ...]]:
    with open_frames(as_file(dataset)) as frames:
        found = pixels(frames)
    assert found.shape == (dataset.Rows, dataset.Columns, 3)
    return [tuple(colour) for colour in found.reshape(-1, 3).tolist()]


def _image(photometric: str, samples: Sequence[tuple[int, ...]], **attributes: Any) -> Dataset:
    data = bytes(value for pixel in samples for value in pixel)
    return image(
        **{
            "Rows": 1,
            "Columns": len(samples),
            "SamplesPerPixel": 3,
            "PlanarConfiguration": 0,
            "PhotometricInterpretation": photometric,
            "PixelData": data + bytes(len(data) % 2),
            **attributes,
        }
    )


def _assert_near(found: list[tuple[int, ...]], expected: list[tuple[int, int, int]]) -> None:
    assert np.abs(np.array(found) - np.array(expected)).max() <= 2


def test_rgb() -> None:
    assert _colours(_image("RGB", _RGB)) == _RGB


def test_colour_planes_one_after_the_other() -> None:
    planes = bytes(pixel[colour] for colour in range(3) for pixel in _RGB)
    assert _colours(_image("RGB", _RGB, PlanarConfiguration=1, PixelData=planes)) == _RGB


def test_ybr_full() -> None:
    _assert_near(_colours(_image("YBR_FULL", [_ybr_full(*colour) for colour in _RGB])), _RGB)


def test_neighbours_share_their_colour_in_422() -> None:
    data = b""
    for colour in _RGB:
        y, cb, cr = _ybr_full(*colour)
        data += bytes((y, y, cb, cr))
    twice = [colour for colour in _RGB for _ in range(2)]
    dataset = _image("YBR_FULL_422", _RGB, Columns=2 * len(_RGB), PixelData=data)
    _assert_near(_colours(dataset), twice)


def test_the_partial_range() -> None:
    data = b""
    for colour in _RGB:
        y, cb, cr = _ybr_partial(*colour)
        data += bytes((y, y, cb, cr))
    twice = [colour for colour in _RGB for _ in range(2)]
    dataset = _image("YBR_PARTIAL_422", _RGB, Columns=2 * len(_RGB), PixelData=data)
    _assert_near(_colours(dataset), twice)


def test_sixteen_bits_a_sample() -> None:
    words = np.array(_RGB, "<u2") << 8
    dataset = _image("RGB", _RGB, BitsAllocated=16, BitsStored=16, PixelData=words.tobytes())
    assert _colours(dataset) == _RGB


def _with_palette(dataset: Dataset, *colours: bytes, count: int, first: int = 0, bits: int = 16) -> Dataset:
    for index, data in enumerate(colours):
        dataset.add_new(0x00281101 + index, "US", [count, first, bits])
        dataset.add_new(0x00281201 + index, "OW", data)
    return dataset


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def test_a_palette_of_sixteen_bits() -> None:
    dataset = image(PhotometricInterpretation="PALETTE COLOR", PixelData=bytes([0, 10, 11, 200]))
    _with_palette(dataset, _words(0xFF00, 0), _words(0, 0xFF00), _words(0, 0x8000), count=2, first=10)
    assert _colours(dataset) == [(255, 0, 0), (255, 0, 0), (0, 255, 128), (0, 255, 128)]


def test_a_palette_of_eight_bits() -> None:
    dataset = image(PhotometricInterpretation="PALETTE COLOR", PixelData=bytes([0, 1, 2, 3]))
    _with_palette(dataset, bytes([1, 2, 3, 4]), bytes([5, 6, 7, 8]), bytes([9, 10, 11, 12]), count=4, bits=8)
    assert _colours(dataset) == [(1, 5, 9), (2, 6, 10), (3, 7, 11), (4, 8, 12)]


def test_a_segmented_palette() -> None:
    dataset = image(Rows=1, Columns=8, PhotometricInterpretation="PALETTE COLOR", PixelData=bytes(range(8)))
    # Two discrete entries, a line of three to 0xF000, and again what the first segment said.
    segments = _words(0, 2, 0x1000, 0x3000, 1, 3, 0xF000, 2, 1, 0, 0, 0, 1, 0x8000)
    for index in range(3):
        dataset.add_new(0x00281101 + index, "US", [8, 0, 16])
        dataset.add_new(0x00281221 + index, "OW", segments)
    reds = [colour[0] for colour in _colours(dataset)]
    assert reds == [0x10, 0x30, 0x70, 0xB0, 0xF0, 0x10, 0x30, 0x80]


@pytest.mark.parametrize(
    "segments",
    [
        _words(7, 1, 1),
        _words(0, 60000, 1),
        _words(2, 1, 0, 0),
        _words(2, 9, 4, 0, 2, 9, 0, 0),
        _words(1),
        b"",
    ],
)
def test_a_damaged_segmented_palette_is_refused(segments: bytes) -> None:
    dataset = image(PhotometricInterpretation="PALETTE COLOR", PixelData=bytes(4))
    for index in range(3):
        dataset.add_new(0x00281101 + index, "US", [256, 0, 16])
        dataset.add_new(0x00281221 + index, "OW", segments)
    with pytest.raises(PictureError, match="palette"):
        _colours(dataset)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"PhotometricInterpretation": "HSV"}, "colour space HSV is not known"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR needs one sample"),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "CMYK"}, "4 samples a pixel"),
    ],
)
def test_what_cannot_be_shown_is_refused(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(PictureError, match=said):
        _colours(_image("RGB", _RGB, **{"PixelData": bytes(24), **attributes}))
