"""Encodings of elements: explicit or implicit value representations, little or big endian."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from kinote.dicom.dictionary.transfer_syntaxes import TransferSyntax
from kinote.dicom.dictionary.value_representations import LONG, SHORT


@dataclass(frozen=True, eq=False)
class Encoding:
    """Byte order and explicitness, with the `struct` formats that read them (PS3.5 7.1)."""

    name: str
    order: str
    explicit: bool
    #: Explicit: group, element, representation, 16-bit length. Implicit: group, element, 32-bit length.
    head: Struct = field(init=False)
    #: Group, element and length of an item or delimiter.
    item: Struct = field(init=False)
    long: Struct = field(init=False)
    short: Struct = field(init=False)
    #: The delimiters of an item and of a sequence.
    item_end: bytes = field(init=False)
    sequence_end: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", Struct(self.order + ("HH2sH" if self.explicit else "HHI")))
        object.__setattr__(self, "item", Struct(self.order + "HHI"))
        object.__setattr__(self, "long", Struct(self.order + "I"))
        object.__setattr__(self, "short", Struct(self.order + "H"))
        object.__setattr__(self, "item_end", self.item.pack(0xFFFE, 0xE00D, 0))
        object.__setattr__(self, "sequence_end", self.item.pack(0xFFFE, 0xE0DD, 0))


EXPLICIT_LITTLE = Encoding("explicit little endian", "<", explicit=True)
IMPLICIT_LITTLE = Encoding("implicit little endian", "<", explicit=False)
EXPLICIT_BIG = Encoding("explicit big endian", ">", explicit=True)


#: First groups of data sets. None of them is the first group of a data set in the other byte order.
_FIRST_GROUPS = (0x0002, 0x0008)


def declared(syntax: TransferSyntax) -> Encoding:
    """Return the encoding that a transfer syntax requires."""
    if not syntax.little_endian:
        return EXPLICIT_BIG
    return EXPLICIT_LITTLE if syntax.explicit else IMPLICIT_LITTLE


def actual(beginning: bytes, encoding: Encoding) -> Encoding:
    """Return the encoding that the first element shows if it clearly contradicts the declared one; otherwise the
    declared one.

    Some senders declare the wrong one. The first element has a small group number, which reveals the byte order.
    Only in an explicit encoding are there letters at the place of the representation.
    """
    if len(beginning) < 8:
        return encoding
    little, big = beginning[0] | beginning[1] << 8, beginning[0] << 8 | beginning[1]
    letters = beginning[4:6] in SHORT or beginning[4:6] in LONG
    if encoding is EXPLICIT_BIG:
        if little not in _FIRST_GROUPS:
            return encoding
        return EXPLICIT_LITTLE if letters else IMPLICIT_LITTLE
    if letters and big in _FIRST_GROUPS:
        return EXPLICIT_BIG
    if little > 0xFF or not little:
        return encoding
    if encoding is IMPLICIT_LITTLE and letters:
        return EXPLICIT_LITTLE
    if encoding is EXPLICIT_LITTLE and not letters and not beginning[4:6].isalpha():
        # No implicit data set begins with a value larger than 64 KB.
        return IMPLICIT_LITTLE if beginning[6:8] == b"\0\0" or beginning[4:8] == b"\xff" * 4 else encoding
    return encoding
