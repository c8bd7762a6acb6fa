"""From stored values to greys: windows, look-up tables, padding, inversion (PS3.3 C.11)."""

from __future__ import annotations

import io
import math
import struct
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.windows import Window
from tests.dicom.pixel_objects import as_file, image
from tests.dicom.shown import pixels


def _greys(values: list[int], window: Window | None = None, frame: int = 1, **attributes: Any) -> list[int]:
    """The greys of one row of 16 bit values."""
    signed = bool(attributes.get("PixelRepresentation"))
    data = np.array(values, "<i2" if signed else "<u2").tobytes()
    dataset = image(
        **{"Rows": 1, "Columns": len(values), "BitsAllocated": 16, "PixelData": data, **attributes}
    )
    return _shown(as_file(dataset), window, frame)


def _shown(file: io.BytesIO, window: Window | None = None, frame: int = 1) -> list[int]:
    with open_frames(file) as frames:
        found: list[int] = pixels(frames, frame, window=window).reshape(-1).tolist()
    return found


def _linear(x: float, centre: float, width: float) -> float:
    """PS3.3 C.11.2.1.2.1, word for word."""
    if x <= centre - 0.5 - (width - 1) / 2:
        return 0
    if x > centre - 0.5 + (width - 1) / 2:
        return 255
    return ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255


def _linear_exact(x: float, centre: float, width: float) -> float:
    """PS3.3 C.11.2.1.3.2."""
    if x <= centre - width / 2:
        return 0
    if x > centre + width / 2:
        return 255
    return ((x - centre) / width + 0.5) * 255


def _sigmoid(x: float, centre: float, width: float) -> float:
    """PS3.3 C.11.2.1.3.1."""
    return 255 / (1 + math.exp(min(-4 * (x - centre) / width, 700)))


@pytest.mark.parametrize(
    ("function", "expected"), [("LINEAR", _linear), ("LINEAR_EXACT", _linear_exact), ("SIGMOID", _sigmoid)]
)
@pytest.mark.parametrize(
    ("centre", "width"), [(2048, 4096), (2048, 1), (100, 2), (40, 400), (0, 100), (50.5, 31)]
)
def test_window_functions(function: str, expected: Any, centre: float, width: float) -> None:
    values = [0, 1, 39, 40, 41, 50, 99, 100, 101, 239, 240, 241, 2047, 2048, 2049, 4095]
    greys = _greys(values, Window(centre, width, function))
    assert greys == [int(expected(value, centre, width) + 0.5) for value in values]


def test_the_objects_first_window_is_used_and_the_callers_takes_its_place() -> None:
    window: dict[str, Any] = {"WindowCenter": [50, 5000], "WindowWidth": [101, 1]}
    assert _greys([0, 25, 50, 100], **window) == [1, 65, 129, 255]
    assert _greys([0, 25, 50, 100], Window(25, 50, "LINEAR_EXACT"), **window) == [0, 128, 255, 255]


@pytest.mark.parametrize(
    "window",
    [(0, 0, "LINEAR"), (0, 0.5, "LINEAR"), (0, -1, "SIGMOID"), (0, math.nan, "LINEAR"), (0, 9, "ROUND")],
)
def test_windows_that_make_no_sense_are_refused(window: tuple[float, float, str]) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(*window)


@pytest.mark.parametrize("width", [0, -100])
def test_a_width_that_makes_no_sense_in_an_object_is_passed_over(width: int) -> None:
    assert _greys([10, 20, 30], WindowCenter=0, WindowWidth=width) == [0, 128, 255]


def test_signed_values_and_rescale() -> None:
    greys = _greys(
        [-1000, 0, 1000],
        PixelRepresentation=1,
        RescaleSlope=2,
        RescaleIntercept=-100,
        WindowCenter=-100,
        WindowWidth=4000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert greys == [0, 128, 255]


def test_only_the_stored_bits_count() -> None:
    greys = _greys([0xF000, 0xF800, 0x0FFF], BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096)
    assert greys == [0, 128, 255]
    high = _greys([0x000F, 0x800F, 0xFFF0], BitsStored=12, HighBit=15, WindowCenter=2048, WindowWidth=4096)
    assert high == [0, 128, 255]


def test_signed_values_of_fewer_bits() -> None:
    greys = _greys(
        [0x0800, 0x0000, 0x07FF],
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=1,
        WindowCenter=0,
        WindowWidth=4096,
    )
    assert greys == [0, 128, 255]


def test_monochrome1_is_shown_inverted() -> None:
    values = [0, 100, 4095]
    window = Window(2048, 4096)
    plain = _greys(values, window)
    inverted = _greys(values, window, PhotometricInterpretation="MONOCHROME1")
    assert inverted == [255 - grey for grey in plain]


def test_without_a_window_the_values_of_the_frame_fill_the_greys() -> None:
    assert _greys([500, 600, 700], BitsStored=12) == [0, 128, 255]
    assert _greys([500, 500], BitsStored=12) == [0, 0]


def test_without_a_window_a_hot_pixel_does_not_darken_the_frame() -> None:
    values = [100, 200] * 2000 + [60000]
    assert _greys(values)[:2] == [0, 255]


def test_without_a_window_eight_bits_are_shown_as_they_are() -> None:
    dataset = image(PixelData=bytes([0, 10, 100, 200]))
    assert _shown(as_file(dataset)) == [0, 10, 100, 200]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_no_part_of_the_range(photometric: str) -> None:
    greys = _greys(
        [-2000, -10, 0, 10],
        PixelRepresentation=1,
        PixelPaddingValue=-2000,
        PhotometricInterpretation=photometric,
    )
    assert greys == ([0, 0, 128, 255] if photometric == "MONOCHROME2" else [0, 255, 128, 0])


def test_a_range_of_padding() -> None:
    assert _greys([5, 7, 10, 20, 30], PixelPaddingValue=5, PixelPaddingRangeLimit=9) == [0, 0, 0, 128, 255]


@pytest.mark.parametrize("value", [1 << 16, 1 << 62, (1 << 64) - 1])
@pytest.mark.parametrize("limit", [None, 0, 9])
def test_padding_that_no_word_holds_is_none(value: int, limit: int | None) -> None:
    dataset = image(BitsAllocated=16, Rows=1, Columns=2, PixelData=bytes([0, 0, 9, 0]))
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    dataset.add_new(0x00280120, "UV", value)
    if limit is not None:
        dataset.add_new(0x00280121, "US", limit)
    assert _shown(as_file(dataset)) == [0, 9]


def _lut(first: int, bits: int, entries: list[int], kind: str = "US") -> Dataset:
    lut = Dataset()
    lut.add_new(0x00283002, kind, [len(entries), first, bits])
    lut.add_new(0x00283006, "OW", struct.pack(f"<{len(entries)}H", *entries))
    return lut


def test_a_voi_lut_is_clamped_at_its_ends() -> None:
    luts = [_lut(10, 12, [0, 1024, 4095])]
    assert _greys([0, 10, 11, 12, 999], VOILUTSequence=luts) == [0, 0, 64, 255, 255]


def test_a_voi_lut_for_negative_values() -> None:
    luts = [_lut(-1, 8, [0, 100, 255], "SS")]
    assert _greys([-1, 0, 1], PixelRepresentation=1, VOILUTSequence=luts) == [0, 100, 255]


def test_a_modality_lut_comes_before_the_window() -> None:
    luts = [_lut(0, 16, [1000, 0, 500])]
    window = Window(500, 1000, "LINEAR_EXACT")
    assert _greys([0, 1, 2], window, ModalityLUTSequence=luts, RescaleSlope=7) == [255, 0, 128]


def test_a_big_endian_lut() -> None:
    lut = Dataset()
    lut.add_new(0x00283002, "US", [3, 0, 8])
    lut.add_new(0x00283006, "OW", struct.pack(">3H", 0, 100, 255))
    data = np.array([0, 1, 2], ">u2").tobytes()
    dataset = image(Rows=1, Columns=3, BitsAllocated=16, PixelData=data, VOILUTSequence=[lut])
    assert _shown(as_file(dataset, ExplicitVRBigEndian)) == [0, 100, 255]


def test_a_damaged_lut_is_passed_over() -> None:
    lut = _lut(0, 16, [0, 1])
    lut[0x00283002].value = [9, 0, 16]
    assert _greys([0, 5, 10], VOILUTSequence=[lut]) == [0, 128, 255]


def _group(**attributes: Any) -> Dataset:
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def test_frames_have_windows_and_rescale_of_their_own() -> None:
    def of_frame(centre: int) -> Dataset:
        return _group(
            FrameVOILUTSequence=[_group(WindowCenter=centre, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")]
        )

    attributes: dict[str, Any] = {
        "NumberOfFrames": 2,
        "PerFrameFunctionalGroupsSequence": [of_frame(100), of_frame(200)],
        "SharedFunctionalGroupsSequence": [
            _group(PixelValueTransformationSequence=[_group(RescaleSlope=10, RescaleIntercept=50)])
        ],
        "Columns": 2,
        "WindowCenter": 9999,
        "WindowWidth": 1,
    }
    assert _greys([5, 10, 15, 20], **attributes) == [128, 255]
    assert _greys([5, 10, 15, 20], frame=2, **attributes) == [128, 255]


@pytest.mark.parametrize("bits", [32, 64])
def test_floating_point_pixels(bits: int) -> None:
    values = np.array([-1.5, 0.0, 1.5, np.nan], f"<f{bits // 8}")
    dataset = image(Rows=1, Columns=4, BitsAllocated=bits, BitsStored=None, PixelRepresentation=None)
    setattr(dataset, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", values.tobytes())
    assert _shown(as_file(dataset)) == [0, 128, 255, 0]


def test_what_is_no_number_is_black_in_a_window_too() -> None:
    dataset = image(Rows=1, Columns=3, BitsAllocated=32, PhotometricInterpretation="MONOCHROME1")
    dataset.FloatPixelData = np.array([np.nan, np.inf, -np.inf], "<f4").tobytes()
    assert _shown(as_file(dataset), Window(0, 10, "LINEAR_EXACT")) == [0, 0, 255]


@pytest.mark.parametrize("signed", [0, 1])
def test_pixels_of_32_bits(signed: int) -> None:
    values = np.array([-(1 << 20) * signed, 0, 1 << 20], "<i4")
    dataset = image(
        Rows=1, Columns=3, BitsAllocated=32, PixelRepresentation=signed, PixelData=values.tobytes()
    )
    dataset["PixelData"].VR = "OW"
    assert _shown(as_file(dataset)) == ([0, 128, 255] if signed else [0, 0, 255])


def test_a_segmentation_of_single_bits() -> None:
    dataset = image(Rows=2, Columns=3, BitsAllocated=1, BitsStored=1, NumberOfFrames=2, PixelData=b"\x69\x0a")
    file = as_file(dataset, ExplicitVRLittleEndian)
    assert _shown(file) == [255, 0, 0, 255, 0, 255]
    file.seek(0)
    assert _shown(file, frame=2) == [255, 0, 0, 255, 0, 255]


def test_a_fractional_segmentation_is_white_at_its_maximum() -> None:
    dataset = image(
        PixelData=bytes([0, 50, 100, 25]), SegmentationType="FRACTIONAL", MaximumFractionalValue=100
    )
    assert _shown(as_file(dataset)) == [0, 128, 255, 64]


def test_labels_are_told_apart() -> None:
    assert _shown(as_file(image(PixelData=bytes([0, 1, 2, 0]), SegmentationType="LABELMAP"))) == [
        0,
        128,
        255,
        0,
    ]
