"""The head of a walked data set: the bytes of its elements, and the places of the bulk values that were skipped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kinote.dicom.dictionary.value_representations import NAMES, SEQUENCES, SHORT, implicit_vr
from kinote.dicom.elements.bulk import BulkSpan
from kinote.dicom.elements.element_heads import ITEM_GROUP, is_long, odd_length
from kinote.dicom.elements.encodings import IMPLICIT_LITTLE, Encoding
from kinote.dicom.overlay.pieces import Pieces


class HeadElement(NamedTuple):
    """The positions of an element in the kept bytes: where it, its value, and the next element begin.

    `vr` is the VR in the bytes, empty if there is none. A delimiter is an element too.
    """

    tag: int
    vr: bytes
    at: int
    value: int
    stop: int


class KeptHead:
    """The bytes kept by a walk, with gaps where bulk values were skipped."""

    def __init__(self, kept: bytes, ends: Mapping[int, int], bulk: Sequence[BulkSpan] = ()) -> None:
        self.kept = kept
        self.ends = ends
        #: For each gap: its position in the kept bytes, its place in the data set, and its length.
        self._gaps: list[int] = []
        self._spans: list[tuple[int, int]] = []
        self._before = [0]
        for span in bulk:
            self._gaps.append(span.offset - self._before[-1])
            length = span.length if span.length >= 0 else _end_of_fragments(span) - span.offset
            self._spans.append((span.offset, length))
            self._before.append(self._before[-1] + length)

    @property
    def end(self) -> int:
        """The position in the data set at which the walk ended."""
        return len(self.kept) + self._before[-1]

    def is_bulk(self, element: HeadElement) -> bool:
        return element.value == element.stop and element.value in self.ends

    def length(self, element: HeadElement, encoding: Encoding) -> int:
        """Return the length field of an element. `encoding` is that of its level."""
        if encoding.explicit and (not element.vr or element.vr in SHORT):
            return element.stop - element.value
        return int(encoding.long.unpack_from(self.kept, element.value - 4)[0])

    def has_bulk(self, element: HeadElement) -> bool:
        """Return whether its value, or one within it, was skipped."""
        first, last = self._within(element.at, element.stop)
        return first < last

    def size(self, start: int, stop: int) -> int:
        """Return the number of bytes in the data set between two positions in the kept bytes."""
        first, last = self._within(start, stop)
        return stop - start + self._before[last] - self._before[first]

    def add_stored(self, out: Pieces, start: int, stop: int) -> None:
        """Add the stored bytes between two positions."""
        first, last = self._within(start, stop)
        for number in range(first, last):
            out.add(self.kept[start : self._gaps[number]])
            out.add_span(*self._spans[number])
            start = self._gaps[number]
        out.add(self.kept[start:stop])

    def elements(self, start: int, end: int, encoding: Encoding) -> Iterator[HeadElement]:
        """Yield the elements of a level, including repeated ones and delimiters."""
        kept, ends = self.kept, self.ends
        head = encoding.head.unpack_from
        explicit = encoding.explicit
        pos = start
        vr = b""
        while pos <= end - 8:
            if explicit:
                group, number, vr, length = head(kept, pos)
            else:
                group, number, length = head(kept, pos)
            tag = group << 16 | number
            if group == ITEM_GROUP:
                yield HeadElement(tag, b"", pos, pos + 8, pos + 8)
                pos += 8
                continue
            value = pos + 8
            found = vr
            if explicit and vr not in SHORT:
                if is_long(vr):
                    value = pos + 12
                    length = encoding.long.unpack_from(kept, pos + 8)[0]
                else:
                    length = odd_length(vr, length, encoding) or 0
                    found = b""
            stop = ends.get(value, value + length) if found not in SHORT else value + length
            yield HeadElement(tag, found, pos, value, stop)
            pos = stop

    def items_encoding(self, element: HeadElement, encoding: Encoding) -> Encoding | None:
        """Return the encoding of the items of a sequence that was walked; None if it was not."""
        if element.vr == b"SQ":
            return encoding
        if element.value != element.stop and element.value in self.ends:
            return IMPLICIT_LITTLE if element.vr == b"UN" else encoding
        if not element.vr and not encoding.explicit and element.tag in SEQUENCES:
            return encoding
        return None

    def _within(self, start: int, stop: int) -> tuple[int, int]:
        """Return which gaps lie after `start` and not after `stop`: a gap belongs to the element before it."""
        if not self._gaps:
            return 0, 0
        return bisect_right(self._gaps, start), bisect_right(self._gaps, stop)


def representation(element: HeadElement, encoding: Encoding) -> str:
    """Return the VR of an element's value. For UN or none, look it up in the dictionary."""
    name = NAMES.get(element.vr, "UN")
    if name != "UN" or (element.vr == b"UN" and encoding.explicit and element.tag >> 16 & 1):
        return name
    return implicit_vr(element.tag)


def _end_of_fragments(span: BulkSpan) -> int:
    """Return where the delimiter of encapsulated pixel data ends."""
    last = span.fragments[-2] + span.fragments[-1] if span.fragments else span.offset
    return last + 8
