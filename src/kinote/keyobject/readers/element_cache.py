"""A cache of what elements and items mean.

Key objects of one sender have the same titles, templates and observers. Reading these again would cost more than
reading all that differs. Only values in ASCII are stored, since they mean the same in every character set, and
only values that were read without a finding.
"""

from __future__ import annotations

from typing import TypeVar

from kinote.dicom.elements.byte_cache import ByteCache
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.values.character_sets import ESCAPE

Value = TypeVar("Value")

#: Longer elements and items are read each time, in bytes.
LONGEST = 1024


class ElementCache(ByteCache[tuple[bytes, str], Value]):
    """The values of elements or items by their bytes and the name of their encoding."""

    def __init__(self, capacity: int = 4096) -> None:
        super().__init__(capacity)

    def value_of(self, element: bytes | None, encoding: Encoding) -> Value | None:
        """Return the value that was read from the same bytes before; None if there is none, or no bytes."""
        return None if element is None else self.find((element, encoding.name))

    def remember(self, element: bytes | None, encoding: Encoding, value: Value, *texts: str) -> None:
        """Store the value of an element; `texts` are all its parts that depend on the character set."""
        if element is None or len(element) > LONGEST or ESCAPE in element or not all(map(str.isascii, texts)):
            return
        self.store((element, encoding.name), value)
