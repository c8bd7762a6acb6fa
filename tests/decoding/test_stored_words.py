"""The words of a frame are those that were stored, whatever the encoding; numpy says what went in."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from kinote.decoding.frame_decoder import decode_frame
from kinote.dicom.pixels.frames import open_frames
from kinote.dicom.pixels.stored_words import stored_words
from tests.decoding.generated import SYNTAXES, Generated, generated
from tests.delivery.natively import natively

#: Longer under scripts/soak.
pytestmark = pytest.mark.soak

#: Images in all.
_NUMBER = 2000 if os.environ.get("KINOTE_SOAK") == "1" else 20 * len(SYNTAXES)


@pytest.mark.parametrize("part", range(10))
def test_words_come_back_as_they_were_stored(part: int) -> None:
    for seed in range(_NUMBER * part // 10, _NUMBER * (part + 1) // 10):
        made = generated(seed)
        check_frames(made)
        check_object(made)


def check_frames(made: Generated) -> None:
    """What frames are decoded to, for themselves and to be shown."""
    with open_frames(io.BytesIO(made.file)) as frames:
        assert frames.count == len(made.words)
        for number in range(1, frames.count + 1):
            samples = decode_frame(frames, number)
            words = stored_words(samples, frames.format).reshape(made.words.shape[1:])
            assert not ((words ^ made.words[number - 1]) & made.known).any(), made.what
            assert samples.words is not None
            values = samples.words.values(samples.array).reshape(made.values.shape[1:])
            assert np.array_equal(values, made.values[number - 1]), made.what


def check_object(made: Generated) -> None:
    """What a receiver gets that takes no other syntax: words, and attributes that are true of them."""
    sent = pydicom.dcmread(io.BytesIO(natively(made.file)))
    for keyword in (
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PhotometricInterpretation",
    ):
        assert sent[keyword].value == made.dataset[keyword].value, made.what
    words = words_in(sent)
    assert not ((words ^ made.words) & made.known).any(), made.what
    shift = sent.HighBit + 1 - sent.BitsStored
    values = words.astype(np.int64) >> shift & (1 << sent.BitsStored) - 1
    if sent.PixelRepresentation:
        values -= values >> sent.BitsStored - 1 << sent.BitsStored
    assert np.array_equal(values, made.values), made.what


def words_in(dataset: pydicom.Dataset) -> NDArray[Any]:
    """The words of native pixel data: (frames, rows, columns, samples)."""
    samples = dataset.SamplesPerPixel
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns, samples)
    count = int(np.prod(shape))
    if dataset.BitsAllocated == 1:
        flags = np.unpackbits(np.frombuffer(dataset.PixelData, "u1"), count=count, bitorder="little")
        return flags.reshape(shape)
    words = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}", count=count)
    if samples > 1 and dataset.PlanarConfiguration == 1:
        planes = words.reshape(shape[0], samples, dataset.Rows, dataset.Columns)
        return planes.transpose(0, 2, 3, 1)
    return words.reshape(shape)
