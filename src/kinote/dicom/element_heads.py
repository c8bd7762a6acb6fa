"""How elements begin, and runs of plain ones passed as fast as can be (PS3.5 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kinote.dicom import tags
from kinote.dicom.encodings import Encoding
from kinote.dicom.value_representations import BINARY, BINARY_BYTES, LONG, SEQUENCES, SHORT, implicit_vr

Element = tuple[bytes, int, int, int]
"""Representation as it stands in the bytes (empty if implicit), and where in the kept bytes the element, its
value, and what follows it begin."""

UNDEFINED = 0xFFFFFFFF
ITEM_GROUP = tags.ITEM >> 16
#: Groups of which some elements are not plain in implicit data sets: padding, pixel data, delimiters.
WATCHED = frozenset({0, 0x7FE0, ITEM_GROUP})

Head = Callable[[bytes, int], tuple[Any, ...]]


def plain(head: Head, data: bytes, pos: int, bound: int) -> tuple[int, int]:
    """Pass explicit elements of an item that have short lengths and are all here: where to, and how many."""
    count = 0
    last = bound - 8
    while pos <= last:
        _, _, vr, length = head(data, pos)
        stop = pos + 8 + length
        if vr not in SHORT or stop > bound:
            break
        count += 1
        pos = stop
    return pos, count


def plain_of_root(
    head: Head, data: bytes, pos: int, bound: int, shift: int, root: dict[int, Element]
) -> tuple[int, int]:
    """The same for the root, whose elements are noted."""
    count = 0
    last = bound - 8
    while pos <= last:
        group, number, vr, length = head(data, pos)
        stop = pos + 8 + length
        if vr not in SHORT or stop > bound:
            break
        before = pos + shift
        root[group << 16 | number] = (vr, before, before + 8, stop + shift)
        count += 1
        pos = stop
    return pos, count


def plain_implicit(
    head: Head, data: bytes, pos: int, bound: int, longest: int, shift: int, root: dict[int, Element] | None
) -> tuple[int, int]:
    """The same for implicit elements that are no sequences and not `longest`; `root` where they are noted."""
    count = 0
    last = bound - 8
    while pos <= last:
        group, number, length = head(data, pos)
        tag = group << 16 | number
        stop = pos + 8 + length
        if length > longest or stop > bound or tag in SEQUENCES or group in WATCHED:
            break
        if root is not None:
            before = pos + shift
            root[tag] = (b"", before, before + 8, stop + shift)
        count += 1
        pos = stop
    return pos, count


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
