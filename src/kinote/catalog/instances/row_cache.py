"""A cache of study and series rows: all objects of a study repeat its attributes.

Every image of a CT series but the first finds its study's row and its series' row here. Reading them again would
take a fifth of the time that receiving an image takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.byte_cache import ByteCache
from kinote.dicom.elements.dataset import DataSet

#: Rows with longer elements are read each time, in bytes.
_LONGEST = 1024

_Key = tuple[str, tuple[str, ...], bytes, bytes]


class RowCache(ByteCache[_Key, dict[str, Any]]):
    """Reads rows from data sets, each once for all data sets that have the same bytes in these attributes.

    Parameters
    ----------
    attributes
        The tags of all attributes that `read` reads.
    read
        Makes the row of a data set.
    capacity
        How many rows are kept.
    """

    def __init__(
        self, attributes: Sequence[int], read: Callable[[DataSet], dict[str, Any]], capacity: int = 4096
    ) -> None:
        super().__init__(capacity)
        self._attributes = attributes
        self._read = read

    def __call__(self, dataset: DataSet) -> dict[str, Any]:
        """Return the row of a data set. It is shared: the caller must not change it."""
        key = self._key(dataset)
        if key is None:
            return self._read(dataset)
        row = self.find(key)
        if row is None:
            row = self._read(dataset)
            self.store(key, row)
        return row

    def _key(self, dataset: DataSet) -> _Key | None:
        """Return what distinguishes such rows; None if an element is too long.

        Each element begins with its tag and tells its length, so the bytes of all of them can be joined. What they
        mean depends also on the character set, and, for numbers in sequences, on Pixel Representation.
        """
        elements = dataset.joined(self._attributes, _LONGEST)
        if elements is None:
            return None
        sign = dataset.raw(tags.PIXEL_REPRESENTATION) or b""
        return dataset.encoding.name, dataset.character_set.terms, sign, elements
