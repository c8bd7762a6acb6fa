"""The samples of one frame; of native frames, whose bytes are the samples.

`kinote.decoding` makes samples of compressed frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.pixel_format import HALVED, PictureError, PixelFormat

#: The number of samples processed at once.
_BAND = 1 << 19

#: The remark about native frames that are longer than their label implies.
FULL_LENGTH = "labelled {}, but there are three samples for each pixel"

_DTYPES = {8: np.uint8, 16: np.uint16, 32: np.uint32}


@dataclass(frozen=True, slots=True)
class Words:
    """The position of the value in a word: `bits` of it, the lowest at bit `shift` (PS3.5 8.1.1)."""

    bits: int
    shift: int
    signed: bool

    def values(self, words: NDArray[Any]) -> NDArray[np.int64]:
        """Return the values of unsigned words."""
        values = (words.astype(np.int64) >> self.shift) & ((1 << self.bits) - 1)
        if self.signed:
            values -= (values >> (self.bits - 1)) << self.bits
        return values


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one frame: (rows, columns), or (rows, columns, samples per pixel).

    With `words`, `array` holds unsigned words that contain the values; without, it holds the values. `is_lossy_colour`
    is true for colours from lossy JPEG, which have no exact words. `depth` is the number of bits per sample, if it is
    less than the object says. `remark` says how the frame deviates from its label, which was not followed. `codestream`
    is its kind of codestream (`codestreams.Kind`), empty if there was none. `is_lossy` is true if information was
    certainly lost.
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
    """Yield the rows of a frame, a few at a time: intermediate results take many times their size."""
    rows = max(_BAND // max(array[:1].size, 1), 1)
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)


def native_samples(data: bytes, form: PixelFormat) -> Samples:
    """Return the samples of a native frame as read by `Frames.read`. Raises `PictureError`."""
    words = None if form.floating else words_of(form)
    form = form.of_length(len(data))
    remark = ""
    if form.photometric in HALVED and not form.is_halved:
        remark = FULL_LENGTH.format(form.photometric)
    return Samples(_native(data, form), form.photometric, words, remark=remark)


def words_of(form: PixelFormat) -> Words:
    """Return the position of the value in a stored word (PS3.5 8.1.1)."""
    return Words(form.bits_stored, form.high_bit + 1 - form.bits_stored, form.signed)


def shape(form: PixelFormat) -> tuple[int, ...]:
    """Return the shape of the array of a frame's samples, colour by pixel."""
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
    """Turn Y Y Cb Cr of two neighbours into Y Cb Cr of each (PS3.3 C.7.6.3.1.2)."""
    rows = 1 if form.joins_rows else form.rows
    pairs = samples.reshape(rows, -1, 4)
    pixels = np.empty((rows, pairs.shape[1], 2, 3), samples.dtype)
    pixels[..., 0] = pairs[..., :2]
    pixels[..., 1:] = pairs[..., None, 2:]
    each = pixels.reshape(rows, -1, 3)
    if form.joins_rows:
        return each[0, : form.rows * form.columns].reshape(shape(form))
    return each[:, : form.columns]
