"""From big endian to little endian: values that are strings of words (PS3.5 7.3).

pydicom keeps them as they were read and writes them as they are, in whichever byte order.
"""

from __future__ import annotations

import numpy as np
from pydicom import DataElement
from pydicom.dataset import Dataset

from kinote.dicom.dictionary import tags

#: Bytes of a word by value representation (PS3.5 Table 6.2-1).
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def swap_words(dataset: Dataset) -> None:
    """Turn over the words of all values of a data set that was read as big endian."""
    for element in dataset.iterall():
        size = _WORDS.get(element.VR)
        if size is not None and isinstance(element.value, bytes):
            element.value = _swapped(element.value, max(size, _pixel_bytes(dataset, element)))


def swap_samples(dataset: Dataset) -> None:
    """Turn over the samples of native pixel data that alone are in big endian (GE's private syntax)."""
    element = dataset.get(tags.PIXEL_DATA)
    size = int(dataset.get("BitsAllocated") or 0) // 8
    if element is not None and size > 1 and isinstance(element.value, bytes):
        element.value = _swapped(element.value, size)


def _pixel_bytes(dataset: Dataset, element: DataElement) -> int:
    """Bytes of a sample of the object's own pixels, which are numbers of any length; else 0."""
    if element.tag != tags.PIXEL_DATA or element is not dataset[element.tag]:
        return 0
    return int(dataset.get("BitsAllocated") or 0) // 8


def _swapped(value: bytes, size: int) -> bytes:
    whole = len(value) // size * size
    return np.frombuffer(value[:whole], f">u{size}").astype(f"<u{size}").tobytes() + value[whole:]
