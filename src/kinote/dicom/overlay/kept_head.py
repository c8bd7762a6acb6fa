"""The head of a data set that was walked: its elements in bytes, and where the values lie that were let pass."""

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
    """An element by its positions in the kept bytes: where it, its value, and what follows it begin.

    `vr` is the representation as it stands in the bytes, empty if there is none. A delimiter is an element too.
    """

    tag: int
    vr: bytes
    at: int
    value: int
    stop: int


class KeptHead:
    """The kept bytes of a walk, with the gaps that bulk values have left in them."""

    def __init__(self, kept: bytes, ends: Mapping[int, int], bulk: Sequence[BulkSpan] = ()) -> None:
        self.kept = kept
        self.ends = ends
        #: Where in the kept bytes a value is left out; where it lies, and the bytes that are left out up to its end.
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
        """Where in the data set what was walked ends."""
        return len(self.kept) + self._before[-1]

    def is_bulk(self, element: HeadElement) -> bool:
        return element.value == element.stop and element.value in self.ends

    def length(self, element: HeadElement, encoding: Encoding) -> int:
        """The length as it stands in the bytes of an element of a level of that encoding."""
        if encoding.explicit and (not element.vr or element.vr in SHORT):
            return element.stop - element.value
        return int(encoding.long.unpack_from(self.kept, element.value - 4)[0])

    def has_bulk(self, element: HeadElement) -> bool:
        """Whether its value, or one within it, was let pass."""
        first, last = self._within(element.at, element.stop)
        return first < last

    def size(self, start: int, stop: int) -> int:
        """How many bytes of the data set lie between two positions in the kept bytes."""
        first, last = self._within(start, stop)
        return stop - start + self._before[last] - self._before[first]

    def add_stored(self, out: Pieces, start: int, stop: int) -> None:
        """Add what lies between two positions as it is stored."""
        first, last = self._within(start, stop)
        for number in range(first, last):
            out.add(self.kept[start : self._gaps[number]])
            out.add_span(*self._spans[number])
            start = self._gaps[number]
        out.add(self.kept[start:stop])

    def elements(self, start: int, end: int, encoding: Encoding) -> Iterator[HeadElement]:
        """The elements of a level, those that stand in it more than once included, and delimiters."""
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
        """How the items of a sequence that the walk has been in are encoded; None if it is no such sequence."""
        if element.vr == b"SQ":
            return encoding
        if element.value != element.stop and element.value in self.ends:
            return IMPLICIT_LITTLE if element.vr == b"UN" else encoding
        if not element.vr and not encoding.explicit and element.tag in SEQUENCES:
            return encoding
        return None

    def _within(self, start: int, stop: int) -> tuple[int, int]:
        """Which gaps lie behind `start` and not behind `stop`: a gap belongs to the element before it."""
        if not self._gaps:
            return 0, 0
        return bisect_right(self._gaps, start), bisect_right(self._gaps, stop)


def representation(element: HeadElement, encoding: Encoding) -> str:
    """What an element's value is; UN and none at all are looked up in the dictionary."""
    name = NAMES.get(element.vr, "UN")
    if name != "UN" or (element.vr == b"UN" and encoding.explicit and element.tag >> 16 & 1):
        return name
    return implicit_vr(element.tag)


def _end_of_fragments(span: BulkSpan) -> int:
    """Where the delimiter of encapsulated pixel data ends."""
    last = span.fragments[-2] + span.fragments[-1] if span.fragments else span.offset
    return last + 8
