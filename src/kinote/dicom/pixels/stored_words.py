"""The words of a frame as they lie in native pixel data (PS3.5 8.1), whatever encoding they come from.

Native frames, RLE and deflated frames hold the words themselves. A codestream holds numbers of its own precision, and
says nothing of High Bit: `words_from` puts them where the object says that the value is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat
from kinote.dicom.pixels.samples import Samples, Words, shape, words_of


def words_from(
    numbers: NDArray[Any], precision: int, form: PixelFormat, photometric: str, *, is_signed: bool = False
) -> Samples:
    """The samples of a frame whose codestream has numbers of so many bits, as unsigned words of it.

    A codestream holds whole words, with whatever is in their other bits; but where it does not reach High Bit and has
    as many bits as are stored, it holds the values alone. Bits above those of the codestream are 0. They repeat its
    highest bit where that is the sign of a signed value, except those of overlay planes. `is_signed`: the codestream
    says so itself. Numbers that the words of the object do not hold are left as they are: they can be shown, and
    `stored_words` refuses them.
    """
    if form.bits_allocated == 1:
        return Samples((numbers != 0).view(np.uint8).reshape(shape(form)), photometric, Words(1, 0, False))
    array = numbers.reshape(shape(form))
    size = form.bits_allocated
    if precision > size:
        return Samples(array, photometric, Words(precision, 0, form.signed))
    are_values = precision <= form.high_bit and precision == form.bits_stored
    shift = form.high_bit + 1 - form.bits_stored if are_values else 0
    repeats_sign = form.signed and (is_signed or are_values or precision == form.high_bit + 1)
    words: NDArray[Any] = array.astype(f"u{size // 8}", copy=not array.flags.writeable)
    if precision < size:
        # Shifted up and down again: the bits above repeat the highest, or are 0.
        unused = size - precision
        words <<= unused
        shifted: NDArray[Any] = words.view(f"i{size // 8}") if repeats_sign else words
        shifted >>= unused - shift
        if repeats_sign and form.overlay_bits:
            beyond = form.overlay_bits >> precision + shift << precision + shift
            words &= words.dtype.type(((1 << size) - 1) & ~beyond)
    return Samples(words, photometric, words_of(form))


def stored_words(samples: Samples, form: PixelFormat) -> NDArray[Any]:
    """The samples of a frame, colour by pixel, in little endian words of the length that the object says.

    A frame of single bits has one byte for each: `packed` makes bits of them. Raises `PictureError` where the words of
    the object do not hold the samples.
    """
    array = samples.array
    if form.bits_allocated == 1 or form.floating:
        return array
    if samples.words != words_of(form) or array.dtype.itemsize * 8 != form.bits_allocated:
        bits = samples.words.bits if samples.words is not None else 8 * array.dtype.itemsize
        raise PictureError(
            f"The compressed frame has samples of {bits} bits, but the object allocates {form.bits_allocated}, "
            f"of which it stores {form.bits_stored} with High Bit {form.high_bit}."
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def packed(words: NDArray[Any]) -> bytes:
    """Single bits as they lie in pixel data, the first in the lowest bit of the first byte (PS3.5 8.1.1)."""
    return np.packbits(words.reshape(-1), bitorder="little").tobytes()
