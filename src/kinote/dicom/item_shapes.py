"""The shape of an item: all in it that is structure, by which the items after it that are built alike pass.

Key objects and enhanced images have sequences of items that differ in their values only, thousands in one, and
the same few kinds in every object of a sender. One of a kind is taken apart here, as strictly as the walker would;
those of the same length with the same heads at the same places need not be, in this object or the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar

from kinote.dicom.element_heads import ITEM_GROUP, UNDEFINED, WATCHED
from kinote.dicom.encodings import Encoding
from kinote.dicom.value_representations import LONG, SEQUENCES, SHORT

#: Longer items, in bytes, and items with more heads, are walked: there is little to win.
LONGEST_ITEM, _MOST = 4096, 64

#: Shapes that are kept of items of one length, and in all: some 3 KB each at most.
_OF_A_LENGTH, _ALL = 4, 4096

#: Sequences within each other in an item that has a shape: a reference needs one, a functional group two.
NESTED = 2


@dataclass(frozen=True, slots=True)
class ItemShape:
    """What all items of a kind have in common; made by `shape_of`."""

    #: Takes the heads out of an item: its own, its elements', and those of nested items.
    form: Struct
    heads: tuple[bytes, ...]
    #: The bytes of an item with its head, and how many elements and items it is made of.
    size: int
    steps: int

    def run(self, data: bytes, pos: int, bound: int) -> int:
        """How many items of this shape follow each other from `pos` on, whole before `bound`."""
        heads_at, heads, size = self.form.unpack_from, self.heads, self.size
        begin = pos
        last = bound - size
        while pos <= last and heads_at(data, pos) == heads:
            pos += size
        return (pos - begin) // size


#: By what a shape is found, beside its heads: encoding, longest value, and length of the item.
_Kind = tuple[Encoding, int, int]


class Shapes:
    """The shapes met in all walks, bounded; of implicit values none is longer than `longest_value`."""

    #: Which shapes items of a kind have. When there are too many they are learnt anew.
    _known: ClassVar[dict[_Kind, tuple[ItemShape, ...]]] = {}

    def __init__(self, longest_value: int) -> None:
        self._longest_value = longest_value
        #: Kinds of which this walk has met an item without a shape: it looks at no other of these.
        self._unlike: set[_Kind] = set()

    def pass_sequence(self, data: bytes, pos: int, length: int, bound: int, encoding: Encoding) -> int:
        """How many elements and items a sequence is made of; 0 unless it is all here and of items with shapes.

        Its first item begins at `pos`, and its value has `length` bytes.
        """
        if length < 8 or pos + length > bound:
            return 0
        group, number, first = encoding.item.unpack_from(data, pos)
        if group != ITEM_GROUP or number != 0xE000:
            return 0
        _, passed, made_of = self.pass_alike(data, pos, first, pos + length, encoding)
        return made_of if passed == length else 0

    def pass_alike(
        self, data: bytes, pos: int, length: int, bound: int, encoding: Encoding
    ) -> tuple[int, int, int]:
        """The items from `pos` on that have shapes: how many, and of how many bytes and elements in all.

        `length` is that of the first; whatever lies beyond `bound` is not there.
        """
        item, longest = encoding.item.unpack_from, self._longest_value
        begin, count, made_of = pos, 0, 0
        while length <= LONGEST_ITEM and pos + 8 + length <= bound:
            for shape in self._known.get((encoding, longest, length), ()):
                alike = shape.run(data, pos, bound)
                if alike:
                    break
            else:
                learnt = self._learn(data, pos, (encoding, longest, length))
                if learnt is None:
                    break
                shape, alike = learnt, learnt.run(data, pos, bound)
            count += alike
            made_of += alike * shape.steps
            pos += alike * shape.size
            if bound - pos < 8:
                break
            group, number, length = item(data, pos)
            if group != ITEM_GROUP or number != 0xE000:
                break
        return count, pos - begin, made_of

    def _learn(self, data: bytes, pos: int, kind: _Kind) -> ItemShape | None:
        """A shape for this item, in which it differs from all that are known; None if it can have none."""
        known = self._known.get(kind, ())
        if len(known) == _OF_A_LENGTH or kind in self._unlike:
            return None
        learnt = shape_of(data, pos, kind[0], self._longest_value)
        if learnt is None:
            self._unlike.add(kind)
            return None
        if len(self._known) * _OF_A_LENGTH >= _ALL:
            self._known.clear()
        self._known[kind] = (*known, learnt)
        return learnt


class _UnlikeError(Exception):
    """There is something in the item that only the walker can judge."""


def shape_of(data: bytes, pos: int, encoding: Encoding, longest_value: int) -> ItemShape | None:
    """The shape of the item that begins at `pos` with a known length and lies whole in `data`.

    None unless it is made of plain elements and of sequences whose lengths are known.
    """
    length = encoding.item.unpack_from(data, pos)[2]
    if length > LONGEST_ITEM:
        return None
    outline = _Outline(data, encoding, longest_value)
    try:
        outline.take_item(pos, pos + 8 + length, sequences=NESTED)
    except _UnlikeError:
        return None
    return outline.shape(8 + length)


class _Outline:
    """Goes through one item and notes where its heads are."""

    def __init__(self, data: bytes, encoding: Encoding, longest_value: int) -> None:
        self._data = data
        self._encoding = encoding
        self._longest_value = longest_value
        self._places: list[tuple[int, int]] = []

    def take_item(self, pos: int, stop: int, *, sequences: int) -> None:
        """An item, in which there may be so many `sequences` within each other."""
        self._note(pos, 8)
        pos += 8
        while pos < stop:
            if stop - pos < 8:
                raise _UnlikeError
            pos = self._take_element(pos, stop, sequences)

    def _take_element(self, pos: int, stop: int, sequences: int) -> int:
        head, value, end = self._element(pos)
        if end > stop:
            raise _UnlikeError
        self._note(pos, value - pos)
        if head != "sequence":
            return end
        if not sequences:
            raise _UnlikeError
        while value < end:
            if end - value < 8:
                raise _UnlikeError
            group, number, length = self._encoding.item.unpack_from(self._data, value)
            if (group, number) != (ITEM_GROUP, 0xE000) or length == UNDEFINED or value + 8 + length > end:
                raise _UnlikeError
            self.take_item(value, value + 8 + length, sequences=sequences - 1)
            value += 8 + length
        return end

    def _element(self, pos: int) -> tuple[str, int, int]:
        """What an element is, where its value begins, and where it ends."""
        encoding = self._encoding
        if encoding.explicit:
            group, _, vr, length = encoding.head.unpack_from(self._data, pos)
            if vr in SHORT:
                return "value", pos + 8, pos + 8 + length
            if vr not in LONG or group in WATCHED or pos + 12 > len(self._data):
                raise _UnlikeError
            length = encoding.long.unpack_from(self._data, pos + 8)[0]
            if length == UNDEFINED or (length > self._longest_value and vr != b"SQ"):
                raise _UnlikeError
            return "sequence" if vr == b"SQ" else "value", pos + 12, pos + 12 + length
        group, number, length = encoding.head.unpack_from(self._data, pos)
        tag = group << 16 | number
        if length == UNDEFINED:
            raise _UnlikeError
        if tag in SEQUENCES:
            return "sequence", pos + 8, pos + 8 + length
        if group in WATCHED or length > self._longest_value:
            raise _UnlikeError
        return "value", pos + 8, pos + 8 + length

    def _note(self, pos: int, size: int) -> None:
        if len(self._places) == _MOST:
            raise _UnlikeError
        self._places.append((pos, size))

    def shape(self, size: int) -> ItemShape:
        """The shape of an item of `size` bytes. Heads that follow each other at once are compared as one."""
        begin = here = self._places[0][0]
        form = "="
        for first, last in self._joined():
            form += f"{first - here}x{last - first}s"
            here = last
        heads = Struct(f"{form}{begin + size - here}x")
        return ItemShape(heads, heads.unpack_from(self._data, begin), size, len(self._places))

    def _joined(self) -> list[tuple[int, int]]:
        """Where runs of heads begin and end between which there are values."""
        runs: list[tuple[int, int]] = []
        for pos, length in self._places:
            first = pos
            if runs and runs[-1][1] == pos:
                first, _ = runs.pop()
            runs.append((first, pos + length))
        return runs
