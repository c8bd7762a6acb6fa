"""How elements begin (PS3.5 7.1)."""

from __future__ import annotations

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import BINARY, BINARY_BYTES, LONG, SHORT, implicit_vr
from kinote.dicom.elements.encodings import Encoding

Element = tuple[bytes, int, int, int]
"""Representation as it stands in the bytes (empty if implicit), and where in the kept bytes the element, its
value, and what follows it begin."""

UNDEFINED = 0xFFFFFFFF
ITEM_GROUP = tags.ITEM >> 16
#: Groups of which some elements are not what they seem by their length: padding, pixel data, delimiters.
WATCHED = frozenset({0, 0x7FE0, ITEM_GROUP})


def is_long(vr: bytes) -> bool:
    """Whether a length of 32 bits follows: of known ones, and of those to come (PS3.5 7.1.2)."""
    return vr in LONG or (vr.isalpha() and vr.isupper() and vr not in SHORT)


def odd_length(vr: bytes, length: int, encoding: Encoding) -> int | None:
    """The length of an element in an explicit data set that has no letters where they belong.

    `length` is what follows the representation. Either the element is encoded implicitly, or its writer
    knew no representation. None if it is neither.
    """
    if vr in (b"??", b"  ", b"--", b"\0\0"):
        return length
    if length == 0:
        return int.from_bytes(vr, "little" if encoding.order == "<" else "big")
    return None


def is_binary(tag: int, vr: bytes) -> bool:
    """Whether the value has no inner structure; `vr` is empty where it is implicit."""
    return vr in BINARY_BYTES or (vr not in LONG and implicit_vr(tag) in BINARY)
