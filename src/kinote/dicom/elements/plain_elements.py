"""Runs of plain elements: nearly all elements of every header pass through these two loops.

An element is plain if all its bytes are available, its value is certainly not bulk, and, if it is a sequence, all
its items have known shapes. All other elements, and every error, are left to the walker.
"""

from __future__ import annotations

from kinote.dicom.dictionary.value_representations import LONG, SEQUENCES, SHORT
from kinote.dicom.elements.element_heads import WATCHED, Element
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.elements.item_shapes import Shapes

Passed = tuple[int, int, int]
"""Where the first element begins that is not plain, how many were passed, and how many elements and items in them."""


def pass_explicit(
    data: bytes,
    pos: int,
    bound: int,
    encoding: Encoding,
    longest: int,
    shapes: Shapes | None,
    root: dict[int, Element] | None,
    shift: int,
) -> Passed:
    """Skip plain explicit elements from `pos` on, as far as they end before `bound`.

    Values with a 32-bit length are plain up to `longest` bytes. Sequences are plain only if `shapes` are given.
    With `root`, the elements are recorded there, at their positions in `data` plus `shift`.
    """
    head, long = encoding.head.unpack_from, encoding.long.unpack_from
    count = inner = 0
    last = bound - 8
    while pos <= last:
        group, number, vr, length = head(data, pos)
        value = pos + 8
        if vr not in SHORT:
            value = pos + 12
            if vr not in LONG or group in WATCHED or value > bound:
                break
            length = long(data, pos + 8)[0]
            if vr == b"SQ" and length:
                if shapes is None:
                    break
                stop, made_of = shapes.pass_sequence(data, value, length, bound, encoding, shift)
                if not stop:
                    break
                inner += made_of
                length = stop - value
            elif length > longest:
                break
        stop = value + length
        if stop > bound:
            break
        if root is not None:
            root[group << 16 | number] = (vr, pos + shift, value + shift, stop + shift)
        count += 1
        pos = stop
    return pos, count, inner


def pass_implicit(
    data: bytes,
    pos: int,
    bound: int,
    encoding: Encoding,
    longest: int,
    shapes: Shapes | None,
    root: dict[int, Element] | None,
    shift: int,
) -> Passed:
    """Skip plain implicit elements in the same way. All values are plain up to `longest` bytes only."""
    head = encoding.head.unpack_from
    count = inner = 0
    last = bound - 8
    while pos <= last:
        group, number, length = head(data, pos)
        tag = group << 16 | number
        if group in WATCHED:
            break
        if tag in SEQUENCES and length:
            if shapes is None:
                break
            stop, made_of = shapes.pass_sequence(data, pos + 8, length, bound, encoding, shift)
            if not stop:
                break
            inner += made_of
            length = stop - pos - 8
        elif length > longest:
            break
        stop = pos + 8 + length
        if stop > bound:
            break
        if root is not None:
            root[tag] = (b"", pos + shift, pos + 8 + shift, stop + shift)
        count += 1
        pos = stop
    return pos, count, inner
