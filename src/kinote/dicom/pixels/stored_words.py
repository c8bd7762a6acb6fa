"""The words of a frame as they lie in native pixel data (PS3.5 8.1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinote.dicom.pixels.pixel_format import PictureError, PixelFormat
from kinote.dicom.pixels.samples import Samples


def stored_words(samples: Samples, form: PixelFormat) -> NDArray[Any]:
    """The samples of a frame, colour by pixel, in little endian words of the length that the object says.

    A frame of single bits has one byte for each. Raises `PictureError` where the words do not hold the samples.
    """
    array = samples.array
    if form.bits_allocated == 1:
        return array
    if array.dtype.itemsize * 8 > form.bits_allocated:
        raise PictureError(
            f"The compressed frame has samples of {array.dtype.itemsize * 8} bits, "
            f"but the object allocates {form.bits_allocated}."
        )
    if form.signed:
        # In a wider word a negative value begins with more ones.
        array = array.view(f"i{array.dtype.itemsize}")
    return array.astype(np.dtype(f"<i{form.bits_allocated // 8}"), copy=False)
