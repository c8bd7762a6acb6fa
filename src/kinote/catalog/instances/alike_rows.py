"""Rows remembered by the bytes that they were read from: the objects of a study say the same of it.

Of a CT series every image but the first finds what its study's and its series' row are; reading them again would
take a fifth of what receiving an image does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet

#: Elements beyond this are not worth remembering by, in bytes.
_LONGEST = 1024

_Key = tuple[str, tuple[str, ...], bytes, bytes]


class AlikeRows:
    """What `read` makes of a data set by the bytes of the attributes that it reads, bounded; when full it begins
    anew.

    Two threads may read the same at once, and then remember the same.
    """

    def __init__(
        self, attributes: Sequence[int], read: Callable[[DataSet], dict[str, Any]], most: int = 4096
    ) -> None:
        self._attributes = attributes
        self._read = read
        self._most = most
        self._known: dict[_Key, dict[str, Any]] = {}

    def __call__(self, dataset: DataSet) -> dict[str, Any]:
        """The row, not to be changed."""
        key = self._key(dataset)
        if key is None:
            return self._read(dataset)
        row = self._known.get(key)
        if row is None:
            row = self._read(dataset)
            if len(self._known) >= self._most:
                self._known.clear()
            self._known[key] = row
        return row

    def _key(self, dataset: DataSet) -> _Key | None:
        """What tells such rows apart: each element begins with its tag and says where it ends.

        Beside the bytes it is what they mean: in another character set the same are other texts, and nested numbers
        have a sign or none by Pixel Representation.
        """
        elements = dataset.joined(self._attributes, _LONGEST)
        if elements is None:
            return None
        sign = dataset.raw(tags.PIXEL_REPRESENTATION) or b""
        return dataset.encoding.name, dataset.character_set.terms, sign, elements
