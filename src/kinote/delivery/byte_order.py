"""Converts values that consist of words from big to little endian (PS3.5 7.3).

pydicom keeps the bytes of these values and writes them unchanged, whatever the byte order.
"""

from __future__ import annotations

import numpy as np
from pydicom import DataElement
from pydicom.dataset import Dataset

from kinote.dicom.dictionary import tags

#: Word sizes in bytes by VR (PS3.5 Table 6.2-1).
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def swap_words(dataset: Dataset) -> None:
    """Swap the words of all values of a data set that was read as big endian."""
    for element in dataset.iterall():
        size = _WORDS.get(element.VR)
        if size is not None and isinstance(element.value, bytes):
            element.value = _swapped(element.value, max(size, _pixel_bytes(dataset, element)))


def swap_samples(dataset: Dataset) -> None:
    """Swap the samples of native pixel data where only these are big endian (GE's private syntax)."""
    element = dataset.get(tags.PIXEL_DATA)
    size = int(dataset.get("BitsAllocated") or 0) // 8
    if element is not None and size > 1 and isinstance(element.value, bytes):
        element.value = _swapped(element.value, size)


def _pixel_bytes(dataset: Dataset, element: DataElement) -> int:
    """Return the size in bytes of a sample of the object's own pixels; 0 for other elements."""
    if element.tag != tags.PIXEL_DATA or element is not dataset[element.tag]:
        return 0
    return int(dataset.get("BitsAllocated") or 0) // 8


def _swapped(value: bytes, size: int) -> bytes:
    whole = len(value) // size * size
    return np.frombuffer(value[:whole], f">u{size}").astype(f"<u{size}").tobytes() + value[whole:]
