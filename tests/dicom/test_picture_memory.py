"""What it takes to show a frame: a few times its samples, whatever they are (law 5)."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kinote.dicom.pixels import pictures
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.grey_scale import GreyTransform, _span, _span_of_wide, to_grey
from kinote.dicom.pixels.pixel_format import PictureError
from kinote.dicom.pixels.samples import Samples, Words
from tests.dicom.pixel_objects import BASELINE, as_file, image, items
from tests.dicom.shown import pixels

_SIDE = 2048

WIDE = Words(32, 0, False)


def samples(kind: str, words: Words | None) -> Samples:
    numbers = np.random.default_rng(7).integers(0, 60_000, (_SIDE, _SIDE)).astype(kind)
    return Samples(numbers, "MONOCHROME2", words)


@pytest.mark.parametrize(
    ("kind", "words"), [("u4", WIDE), ("f4", None), ("f8", None), ("u2", Words(16, 0, False))]
)
def test_law_5_a_frame_without_a_window_takes_its_values_and_little_more(
    kind: str, words: Words | None
) -> None:
    frame = samples(kind, words)
    tracemalloc.start()
    try:
        to_grey(frame, GreyTransform())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    bands = 64 << 20
    assert peak < _SIDE * _SIDE * 9 + bands


@pytest.mark.parametrize("padding", [None, (100, 40_000), (0, 60_000)])
@pytest.mark.parametrize("constant", [False, True])
def test_the_range_of_a_wide_frame_is_that_of_all_its_values(
    padding: tuple[int, int] | None, constant: bool
) -> None:
    numbers: NDArray[Any] = np.random.default_rng(3).integers(0, 60_000, (1031, 1024)).astype("f4")
    numbers[5] = np.nan
    if constant:
        numbers[:] = 7
        numbers[0, 0] = 9
    transform = GreyTransform(slope=-2.0, intercept=5.0, padding=padding)
    expected = _span(numbers.astype(np.float64).reshape(-1), transform)
    assert _span_of_wide(Samples(numbers, "MONOCHROME2"), transform) == expected


def test_law_5_a_frame_that_is_too_large_is_not_shown() -> None:
    dataset = image(Rows=8192, Columns=8192, PixelData=items(b"nothing"))
    with open_frames(as_file(dataset, BASELINE)) as frames:
        with pytest.raises(PictureError, match="8192 x 8192 pixels are too large to be shown"):
            pictures.check_size(frames)
        with pytest.raises(PictureError, match="too large to be shown"):
            pictures.pixels(frames, 1, Samples(np.zeros((1, 1), np.uint8), "MONOCHROME2"))


def test_bands_join_without_a_seam() -> None:
    numbers = np.arange(1100 * 1000) % 60_000
    dataset = image(
        Rows=1100,
        Columns=1000,
        BitsAllocated=16,
        WindowCenter=30_000,
        WindowWidth=60_000,
        PixelData=numbers.astype("<u2").tobytes(),
    )
    with open_frames(as_file(dataset)) as frames:
        shown = pixels(frames)
    reached = np.clip((numbers - 29_999.5) / 59_999 + 0.5, 0, 1) * 255 + 0.5
    assert shown.reshape(-1).tolist() == reached.astype(np.uint8).tolist()
