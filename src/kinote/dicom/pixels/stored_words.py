"""The words of a frame as native pixel data have them (PS3.5 8.1), whatever the encoding was.

Native frames, RLE and deflated frames hold the words themselves. A codestream holds numbers of its own precision, and
does not know High Bit. `words_from` puts them where the header says the value is.
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
    """Convert the numbers of a codestream, of `precision` bits, to unsigned words of the object.

    A codestream normally holds whole words, whatever their other bits contain. If it does not reach High Bit and has as
    many bits as are stored, it holds only the values. Bits above those of the codestream are 0, but repeat its highest
    bit if that is the sign of a signed value; bits of overlay planes do not. `is_signed`: whether the codestream itself
    is signed. Numbers too large for a word are kept: they can be shown, and `stored_words` refuses them.
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
        # Shifted up and down again: the bits above repeat the highest bit, or are 0.
        unused = size - precision
        words <<= unused
        shifted: NDArray[Any] = words.view(f"i{size // 8}") if repeats_sign else words
        shifted >>= unused - shift
        if repeats_sign and form.overlay_bits:
            beyond = form.overlay_bits >> precision + shift << precision + shift
            words &= words.dtype.type(((1 << size) - 1) & ~beyond)
    return Samples(words, photometric, words_of(form))


def stored_words(samples: Samples, form: PixelFormat) -> NDArray[Any]:
    """Return the samples of a frame, colour by pixel, in little endian words of the allocated size.

    Single bits take one byte each; `packed` packs them. Raises `PictureError` if the words cannot hold the samples.
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
    """Pack single bits as in pixel data, the first in the lowest bit of the first byte (PS3.5 8.1.1)."""
    return np.packbits(words.reshape(-1), bitorder="little").tobytes()
