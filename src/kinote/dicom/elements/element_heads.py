"""Element headers: tag, value representation and length (PS3.5 7.1)."""

from __future__ import annotations

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import (
    BINARY,
    BINARY_BYTES,
    LONG,
    SEQUENCES,
    SHORT,
    implicit_vr,
)
from kinote.dicom.elements.encodings import Encoding

Element = tuple[bytes, int, int, int]
"""Representation in the bytes (empty if implicit), and where in the kept bytes the element, its
value, and what follows it begin."""

UNDEFINED = 0xFFFFFFFF
ITEM_GROUP = tags.ITEM >> 16
#: Groups in which the length of some elements does not have its usual meaning: padding, pixel data, delimiters.
WATCHED = frozenset({0, 0x7FE0, ITEM_GROUP})


def is_long(vr: bytes) -> bool:
    """Return whether a representation is followed by a 32-bit length: known ones, and all that may be added (PS3.5
    7.1.2)."""
    return vr in LONG or (vr.isalpha() and vr.isupper() and vr not in SHORT)


def odd_length(vr: bytes, length: int, encoding: Encoding) -> int | None:
    """Return the length of an element that lacks a value representation in an explicit data set.

    `length` is the number after the place of the representation. Either the element is encoded implicitly, or its
    writer did not know the representation. None if it is neither.
    """
    if vr in (b"??", b"  ", b"--", b"\0\0"):
        return length
    if length == 0:
        return int.from_bytes(vr, "little" if encoding.order == "<" else "big")
    return None


def is_binary(tag: int, vr: bytes) -> bool:
    """Return whether the value has no inner structure. `vr` is empty in implicit encodings."""
    if vr == b"UN":
        # A sequence of defined length may be sent so (PS3.5 6.2.2).
        return tag not in SEQUENCES
    return vr in BINARY_BYTES or (vr not in LONG and implicit_vr(tag) in BINARY)
