"""Reads the elements of one level again, from the kept bytes of a data set that was walked."""

from __future__ import annotations

from collections.abc import Mapping

from kinote.dicom.dictionary.value_representations import SHORT
from kinote.dicom.elements.element_heads import ITEM_GROUP, UNDEFINED, Element, is_long, odd_length
from kinote.dicom.elements.encodings import Encoding


def elements(
    kept: bytes, start: int, end: int, encoding: Encoding, ends: Mapping[int, int]
) -> dict[int, Element]:
    """Return the elements of an item by tag. `ends` is `Walk.ends`."""
    found: dict[int, Element] = {}
    head = encoding.head.unpack_from
    pos = start
    last = end - 8
    explicit = encoding.explicit
    vr = b""
    while pos <= last:
        if explicit:
            group, number, vr, length = head(kept, pos)
            if vr in SHORT:
                value = pos + 8
                stop = value + length
                found[group << 16 | number] = (vr, pos, value, stop)
                pos = stop
                continue
        else:
            group, number, length = head(kept, pos)
        if group == ITEM_GROUP:
            pos += 8
            continue
        value = pos + 8
        if explicit:
            if is_long(vr):
                value = pos + 12
                length = encoding.long.unpack_from(kept, pos + 8)[0]
            else:
                length = odd_length(vr, length, encoding) or 0
                vr = b""
        stop = ends.get(value, value + length)
        found[group << 16 | number] = (vr, pos, value, stop)
        pos = stop
    return found


def next_item(
    kept: bytes, pos: int, end: int, encoding: Encoding, ends: Mapping[int, int]
) -> tuple[int, int] | None:
    """Return where the content of the first item at or after `pos` begins and ends, and the end of its delimiter.

    None if there is no item before the `end` of the sequence.
    """
    while pos <= end - 8:
        _, number, length = encoding.item.unpack_from(kept, pos)
        pos += 8
        if number == 0xE000:
            return pos, ends.get(pos, pos if length == UNDEFINED else pos + length)
    return None
