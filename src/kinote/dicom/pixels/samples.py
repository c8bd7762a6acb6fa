"""The samples of one frame, and those of native frames, which are the frame's bytes.

Compressed frames become samples in `kinote.decoding`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.pixel_format import HALVED, PictureError, PixelFormat

#: Samples that are worked on at once.
_BAND = 1 << 19

#: What is said of native frames that are longer than their label has them.
FULL_LENGTH = "labelled {}, but there are three samples for each pixel"

_DTYPES = {8: np.uint8, 16: np.uint16, 32: np.uint32}


@dataclass(frozen=True, slots=True)
class Words:
    """Where the value is in a word: `bits` of it, the lowest being bit `shift` (PS3.5 8.1.1)."""

    bits: int
    shift: int
    signed: bool

    def values(self, words: NDArray[Any]) -> NDArray[np.int64]:
        """The values of unsigned words."""
        values = (words.astype(np.int64) >> self.shift) & ((1 << self.bits) - 1)
        if self.signed:
            values -= (values >> (self.bits - 1)) << self.bits
        return values


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one frame: (rows, columns), or (rows, columns, samples per pixel).

    With `words`, the numbers of `array` are unsigned words of which some bits are the value; without, they
    are the values. `is_lossy_colour` is true of colours that lossy JPEG has coded: they have no exact words.
    `depth` is the number of bits that it has of each, where that is less than the object says. `remark` says where the
    frame is otherwise than its label, which was not followed. `codestream` is the kind of codestream that held them, as
    `codestreams.Kind`, empty of others; `is_lossy` is true where it says for certain that something was lost.
    """

    array: NDArray[Any]
    photometric: str
    words: Words | None = None
    depth: int | None = None
    is_lossy_colour: bool = False
    remark: str = ""
    codestream: str = ""
    is_lossy: bool = False


def bands(array: NDArray[Any]) -> Iterator[slice]:
    """The rows of a frame, some at a time: what is made of samples on the way takes many times their size."""
    rows = max(_BAND // max(array[:1].size, 1), 1)
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)


def native_samples(data: bytes, form: PixelFormat) -> Samples:
    """The samples of a native frame as `Frames.read` gives it; raises `PictureError`."""
    words = None if form.floating else words_of(form)
    form = form.of_length(len(data))
    remark = ""
    if form.photometric in HALVED and not form.is_halved:
        remark = FULL_LENGTH.format(form.photometric)
    return Samples(_native(data, form), form.photometric, words, remark=remark)


def words_of(form: PixelFormat) -> Words:
    """Where the value is in a stored word (PS3.5 8.1.1)."""
    return Words(form.bits_stored, form.high_bit + 1 - form.bits_stored, form.signed)


def shape(form: PixelFormat) -> tuple[int, ...]:
    """The shape of the array of a frame's samples, colour by pixel."""
    return (form.rows, form.columns) if form.samples == 1 else (form.rows, form.columns, form.samples)


def _native(data: bytes, form: PixelFormat) -> NDArray[Any]:
    pixels = form.rows * form.columns
    if len(data) * 8 < form.native_frame_bits:
        raise PictureError(f"The frame is cut short: {len(data)} bytes of {form.native_frame_bits // 8}.")
    if form.bits_allocated == 1:
        flags = np.unpackbits(np.frombuffer(data, np.uint8), count=pixels * form.samples, bitorder="little")
        return flags.reshape(shape(form))
    if form.floating:
        samples = np.frombuffer(data, f"<f{form.bits_allocated // 8}", count=pixels * form.samples)
        return samples.reshape(shape(form))
    dtype = np.dtype(_DTYPES[form.bits_allocated]).newbyteorder("<")
    if form.is_halved:
        return _upsampled(
            np.frombuffer(data, dtype, count=form.native_frame_bits // form.bits_allocated), form
        )
    samples = np.frombuffer(data, dtype, count=pixels * form.samples)
    if form.planar:
        return samples.reshape(form.samples, form.rows, form.columns).transpose(1, 2, 0)
    return samples.reshape(shape(form))


def _upsampled(samples: NDArray[Any], form: PixelFormat) -> NDArray[Any]:
    """Y Y Cb Cr of two neighbours made Y Cb Cr of each (PS3.3 C.7.6.3.1.2)."""
    rows = 1 if form.joins_rows else form.rows
    pairs = samples.reshape(rows, -1, 4)
    pixels = np.empty((rows, pairs.shape[1], 2, 3), samples.dtype)
    pixels[..., 0] = pairs[..., :2]
    pixels[..., 1:] = pairs[..., None, 2:]
    each = pixels.reshape(rows, -1, 3)
    if form.joins_rows:
        return each[0, : form.rows * form.columns].reshape(shape(form))
    return each[:, : form.columns]
