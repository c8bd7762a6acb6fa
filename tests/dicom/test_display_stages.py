"""The stages of the display: which apply to a class, and what each does to a frame."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from kinote.dicom.pixels import pictures
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.pixel_format import PictureError
from tests.dicom.pixel_objects import as_file, image
from tests.dicom.shown import pixels

_XA, _XRF, _ENHANCED_XA, _CR, _SEGMENTATION = (
    f"1.2.840.10008.5.1.4.1.1.{last}" for last in ("12.1", "12.2", "12.1.1", "1", "66.4")
)
_SIDE = 16


def ramp(**attributes: Any) -> Dataset:
    """Values 0 to 255 in 16 bits, with a window that shows them as they are."""
    values = {
        "Rows": _SIDE,
        "Columns": _SIDE,
        "BitsAllocated": 16,
        "BitsStored": 8,
        "HighBit": 7,
        "WindowCenter": 128,
        "WindowWidth": 256,
        "PixelData": np.arange(_SIDE * _SIDE).astype("<u2").tobytes(),
    }
    return image(**{**values, **attributes})


def shown(dataset: Dataset, syntax: str = "1.2.840.10008.1.2.1", **wanted: Any) -> NDArray[np.uint8]:
    with open_frames(as_file(dataset, syntax)) as frames:
        return pixels(frames, **wanted)


RAMP = np.arange(_SIDE * _SIDE).reshape(_SIDE, _SIDE)


@pytest.mark.parametrize(
    ("sop_class", "relationship", "is_applied"),
    [
        (_XA, "LOG", False),
        (_XA, "DISP", False),
        (_XRF, "LOG", False),
        (_XRF, "DISP", False),
        (_XA, "LIN", True),
        (_XA, None, True),
        (_ENHANCED_XA, "LOG", False),
        (_CR, "LOG", True),
        (_SEGMENTATION, None, False),
    ],
)
@pytest.mark.parametrize("kind", ["rescale", "table"])
def test_the_modality_transform_is_not_for_the_display_of_every_class(
    sop_class: str, relationship: str | None, is_applied: bool, kind: str
) -> None:
    dataset = ramp(PixelIntensityRelationship=relationship)
    dataset.SOPClassUID = sop_class
    if kind == "rescale":
        dataset.RescaleSlope, dataset.RescaleIntercept = -1, 255
    else:
        item = Dataset()
        item.add_new(0x00283002, "US", [256, 0, 8])
        item.add_new(0x00283006, "OW", np.arange(255, -1, -1).astype("<u2").tobytes())
        dataset.ModalityLUTSequence = [item]
    assert np.array_equal(shown(dataset), 255 - RAMP if is_applied else RAMP)


def with_overlay(dataset: Dataset, flags: NDArray[np.int64], group: int = 0x6000, **changes: Any) -> Dataset:
    """An overlay plane. `flags` has rows and columns, and frames before, where there are several."""
    values: dict[int, tuple[str, Any]] = {
        0x10: ("US", flags.shape[-2]),
        0x11: ("US", flags.shape[-1]),
        0x40: ("CS", changes.get("type", "G")),
        0x50: ("SS", changes.get("origin", [1, 1])),
        0x100: ("US", 1),
        0x102: ("US", 0),
    }
    if flags.ndim == 3:
        values[0x15] = ("IS", len(flags))
        values[0x51] = ("US", changes.get("first_frame", 1))
    packed = np.packbits(flags.reshape(-1).astype(np.uint8), bitorder="little").tobytes()
    values[0x3000] = ("OW", packed + b"\0" * (len(packed) % 2))
    for element, (vr, value) in values.items():
        dataset.add_new(group << 16 | element, vr, value)
    return dataset


@pytest.mark.parametrize("group", [0x6000, 0x6002, 0x601E])
@pytest.mark.parametrize("size", [(16, 16), (5, 7), (30, 31)])
@pytest.mark.parametrize("origin", [(1, 1), (4, 6), (-3, 0), (40, 40)])
def test_overlay_planes_are_drawn_where_they_lie(
    group: int, size: tuple[int, int], origin: tuple[int, int]
) -> None:
    flags = np.random.default_rng(1).integers(0, 2, size)
    expected = RAMP.copy()
    for row, column in np.argwhere(flags):
        down, across = row + origin[0] - 1, column + origin[1] - 1
        if 0 <= down < _SIDE and 0 <= across < _SIDE:
            expected[down, across] = 255
    dataset = with_overlay(ramp(), flags, group, origin=list(origin))
    assert np.array_equal(shown(dataset), expected)
    assert np.array_equal(shown(dataset, overlays=False), RAMP)


def test_overlay_planes_of_big_endian_objects() -> None:
    flags = np.random.default_rng(2).integers(0, 2, (16, 16))
    dataset = with_overlay(ramp(PixelData=RAMP.astype(">u2").tobytes()), flags)
    data = np.frombuffer(dataset[0x60003000].value, "<u2").byteswap().tobytes()
    dataset[0x60003000].value = data
    assert np.array_equal(shown(dataset, "1.2.840.10008.1.2.2"), np.where(flags, 255, RAMP))


def test_an_overlay_plane_of_several_frames() -> None:
    flags = np.random.default_rng(3).integers(0, 2, (2, 5, 9))
    dataset = ramp(NumberOfFrames=3)
    dataset.PixelData = dataset.PixelData * 3
    with_overlay(dataset, flags, first_frame=2)
    assert np.array_equal(shown(dataset, number=1), RAMP)
    for number in (2, 3):
        assert np.array_equal(shown(dataset, number=number)[:5, :9] == 255, flags[number - 2] == 1)


def test_an_overlay_in_the_unused_bits_of_the_pixels() -> None:
    flags = np.random.default_rng(4).integers(0, 2, (16, 16))
    dataset = with_overlay(ramp(PixelData=(RAMP | flags << 11).astype("<u2").tobytes()), flags)
    del dataset[0x60003000]
    dataset[0x60000102].value = 11
    assert np.array_equal(shown(dataset), np.where(flags, 255, RAMP))
    # A bit of the value is no overlay.
    dataset[0x60000102].value = 7
    assert np.array_equal(shown(dataset), RAMP)


@pytest.mark.parametrize(
    ("element", "vr", "value"),
    [
        (0x10, "SL", 2**31 - 1),
        (0x11, "UL", 2**32 - 1),
        (0x10, "UV", 2**64 - 1),
        (0x50, "SV", [-(2**63), 2**63 - 1]),
        (0x15, "UV", 2**64 - 1),
        (0x51, "SV", -(2**63)),
        (0x102, "SS", -1),
        (0x102, "SV", -(2**63)),
        (0x102, "UV", 2**64 - 1),
    ],
)
@pytest.mark.parametrize("is_embedded", [False, True])
def test_an_overlay_plane_that_cannot_be_is_not_drawn(
    element: int, vr: str, value: object, is_embedded: bool
) -> None:
    dataset = with_overlay(ramp(), np.zeros((16, 16), np.int64))
    dataset.add_new(0x60000000 | element, vr, value)
    if is_embedded:
        del dataset[0x60003000]
    assert np.array_equal(shown(dataset), RAMP)


def test_what_no_image_can_have_is_told_as_a_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflows(*_: object) -> None:
        raise OverflowError("too large")

    monkeypatch.setattr(pictures, "close_shutter", overflows)
    with pytest.raises(PictureError, match="what no image can have: too large"):
        shown(ramp())


def test_of_a_region_the_outline_is_drawn() -> None:
    flags = np.zeros((16, 16), np.int64)
    flags[3:8, 4:12] = 1
    marked = shown(with_overlay(ramp(), flags, type="R"))
    outline = flags.copy()
    outline[4:7, 5:11] = 0
    assert np.array_equal(marked, np.where(outline, 255, RAMP))


def test_an_overlay_plane_over_colours_and_one_that_is_cut_short() -> None:
    flags = np.ones((4, 4), np.int64)
    dataset = ramp(
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        PixelData=bytes(_SIDE * _SIDE * 3),
    )
    assert (shown(with_overlay(dataset, flags))[:4, :4] == 255).all()
    dataset[0x60003000].value = b"\xff\0"
    dataset[0x60000010].value = 1000
    assert (shown(dataset)[:2, :4] == 255).all()


@pytest.mark.parametrize(
    ("attributes", "is_seen"),
    [
        (
            {
                "ShutterShape": "RECTANGULAR",
                "ShutterLeftVerticalEdge": 3,
                "ShutterRightVerticalEdge": 9,
                "ShutterUpperHorizontalEdge": 2,
                "ShutterLowerHorizontalEdge": 14,
            },
            lambda row, column: 3 <= column <= 9 and 2 <= row <= 14,
        ),
        (
            {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [8, 7], "RadiusOfCircularShutter": 5},
            lambda row, column: (row - 8) ** 2 + (column - 7) ** 2 <= 25,
        ),
        (
            {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [2, 2, 2, 12, 12, 12, 12, 2]},
            lambda row, column: 2 <= row <= 12 and 2 <= column <= 12,
        ),
        ({"ShutterShape": "CIRCULAR"}, lambda row, column: True),
        ({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2]}, lambda row, column: True),
    ],
    ids=["rectangle", "circle", "polygon", "no circle", "no polygon"],
)
@pytest.mark.parametrize("cover", [None, 0x8000])
def test_shutters_cover_what_lies_outside(
    attributes: dict[str, Any], is_seen: Any, cover: int | None
) -> None:
    dataset = ramp(**attributes, ShutterPresentationValue=cover)
    expected = RAMP.copy()
    for row in range(_SIDE):
        for column in range(_SIDE):
            if not is_seen(row + 1, column + 1):
                expected[row, column] = (cover or 0) >> 8
    assert np.array_equal(shown(dataset), expected)


def with_palettes(dataset: Dataset, *colours: NDArray[np.int64], first: int = 0, bits: int = 16) -> Dataset:
    for place, entries in enumerate(colours):
        dataset.add_new(0x00281101 + place, "SS" if first < 0 else "US", [len(entries) & 0xFFFF, first, bits])
        dataset.add_new(0x00281201 + place, "OW", entries.astype("<u2").tobytes())
    return dataset


_INDEX = np.arange(256)


@pytest.mark.parametrize("dark", [0, 1, 2])
def test_a_dark_colour_of_a_palette_is_as_wide_as_the_others(dark: int) -> None:
    entries = [_INDEX * 257, (255 - _INDEX) * 257, _INDEX * 200]
    entries[dark] = np.minimum(_INDEX, 200)
    dataset = ramp(PhotometricInterpretation="PALETTE COLOR")
    colours = shown(with_palettes(dataset, *entries))
    expected = np.stack([each[RAMP] >> 8 for each in entries], -1)
    assert np.array_equal(colours, expected)


def test_palettes_that_hold_values_of_eight_bits_in_words() -> None:
    dataset = ramp(PhotometricInterpretation="PALETTE COLOR")
    colours = shown(with_palettes(dataset, _INDEX, 255 - _INDEX, _INDEX // 2))
    assert np.array_equal(colours, np.stack([RAMP, 255 - RAMP, RAMP // 2], -1))


def test_each_palette_is_as_its_own_descriptor_says() -> None:
    dataset = ramp(PhotometricInterpretation="PALETTE COLOR")
    with_palettes(dataset, _INDEX * 257, _INDEX * 257, _INDEX * 257)
    dataset[0x00281102].value = [256, 10, 16]
    dataset[0x00281103].value = [100, 0, 16]
    dataset[0x00281203].value = dataset[0x00281203].value[:200]
    expected = np.stack([RAMP, np.clip(RAMP - 10, 0, 255), np.clip(RAMP, 0, 99)], -1)
    assert np.array_equal(shown(dataset), expected)


def test_a_palette_of_signed_pixels_begins_below_zero() -> None:
    dataset = ramp(
        PhotometricInterpretation="PALETTE COLOR",
        PixelRepresentation=1,
        PixelData=((RAMP - 128) & 0xFF).astype("<u2").tobytes(),
    )
    with_palettes(dataset, _INDEX * 257, _INDEX * 257, _INDEX * 257, first=-128)
    assert np.array_equal(shown(dataset)[..., 0], RAMP)


def test_a_segmented_palette_of_bytes() -> None:
    dataset = image(Rows=1, Columns=4, PhotometricInterpretation="PALETTE COLOR", PixelData=bytes(range(4)))
    for place in range(3):
        dataset.add_new(0x00281101 + place, "US", [4, 0, 8])
        # Two discrete entries, and a line of two.
        dataset.add_new(0x00281221 + place, "OW", bytes([0, 2, 10, 20, 1, 2, 40, 0]))
    assert shown(dataset)[0, :, 0].tolist() == [10, 20, 30, 40]


@pytest.mark.parametrize("presentation", ["COLOR", "MIXED", "MONOCHROME", None])
def test_a_supplemental_palette_colours_the_values_from_its_first_on(presentation: str | None) -> None:
    dataset = ramp(PixelPresentation=presentation)
    entries = np.arange(56)
    with_palettes(dataset, entries * 1000, entries * 500, entries * 256, first=200)
    found = shown(dataset)
    if presentation not in ("COLOR", "MIXED"):
        assert np.array_equal(found, RAMP)
        return
    place = RAMP - 200
    coloured = np.stack([place * 1000 >> 8, place * 500 >> 8, place], -1)
    assert np.array_equal(found, np.where((RAMP >= 200)[..., None], coloured, RAMP[..., None]))


def test_a_decimal_comma_is_a_point() -> None:
    plain = ramp(WindowCenter="100.5", WindowWidth="50.5", RescaleSlope="1.5", RescaleIntercept="-0.5")
    stored = as_file(plain).getvalue()
    with open_frames(as_file(plain)) as frames:
        expected = pixels(frames)
    commas = stored
    for text in (b"100.5", b"50.5", b"1.5 ", b"-0.5"):
        assert text in commas
        commas = commas.replace(text, text.replace(b".", b","))
    with open_frames(io.BytesIO(commas)) as frames:
        assert np.array_equal(pixels(frames), expected)


@pytest.mark.parametrize("kind", ["rows end with a pair", "pairs go on"])
def test_halved_colours_of_an_odd_number_of_columns(kind: str) -> None:
    rows, columns = 4, 5
    luminance = np.arange(rows * columns).reshape(rows, columns) * 10
    pairs = bytearray()
    if kind == "pairs go on":
        flat = luminance.reshape(-1)
        for at in range(0, flat.size, 2):
            pairs += struct.pack("4B", flat[at], flat[at + 1], 128, 128)
    else:
        for row in luminance:
            padded = [*row, 0]
            for at in range(0, 6, 2):
                pairs += struct.pack("4B", padded[at], padded[at + 1], 128, 128)
    dataset = image(
        Rows=rows,
        Columns=columns,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
        PixelData=bytes(pairs),
    )
    assert np.array_equal(shown(dataset), np.repeat(luminance[..., None], 3, axis=2))


def test_halved_colours_that_are_not() -> None:
    ybr = np.random.default_rng(5).integers(0, 256, (6, 6, 3), np.uint8)
    attributes = {
        "Rows": 6,
        "Columns": 6,
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "NumberOfFrames": 2,
    }
    data = ybr.tobytes() * 2
    wrong = image(**attributes, PhotometricInterpretation="YBR_FULL_422", PixelData=data)
    right = image(**attributes, PhotometricInterpretation="YBR_FULL", PixelData=data)
    for number in (1, 2):
        assert np.array_equal(shown(wrong, number=number), shown(right, number=number))
