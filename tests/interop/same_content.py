"""Whether two data sets say the same, whatever each is encoded in: elements, and pixels as they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

TRAILING_PADDING = 0xFFFCFFFC
_PIXEL_DATA = 0x7FE00010


def say_the_same(first: Dataset, second: Dataset) -> bool:
    """Whether both have the same elements with the same values, and the same pixels where both have some.

    Group lengths and padding do not count. Of big endian, private values of unknown representation cannot be told.
    """
    private = all(each.file_meta.TransferSyntaxUID != ExplicitVRBigEndian for each in (first, second))
    if _elements(first, private=private) != _elements(second, private=private):
        return False
    if "PixelData" not in first or "PixelData" not in second:
        return "PixelData" not in first and "PixelData" not in second
    if first.PixelData == second.PixelData:
        return True
    return np.array_equal(first.pixel_array, second.pixel_array)


def _elements(dataset: Dataset, *, private: bool) -> dict[int, Any]:
    return {
        element.tag: element.value
        for element in dataset
        if element.tag.element != 0
        and element.tag not in (TRAILING_PADDING, _PIXEL_DATA)
        and (private or not element.tag.is_private)
    }
