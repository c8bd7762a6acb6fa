"""Item shapes: the structure of items, so that further items of the same structure need not be walked.

Key objects and enhanced images have sequences with thousands of items that differ in their values only, and all
objects of a sender have the same few kinds of items. One item of each kind is analysed here, as strictly as the
walker does. Items of the same length with the same headers at the same offsets are then skipped, in this object and
in later ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from struct import Struct

from kinote.dicom.dictionary.value_representations import LONG, SEQUENCES, SHORT
from kinote.dicom.elements.byte_cache import ByteCache
from kinote.dicom.elements.element_heads import ITEM_GROUP, UNDEFINED, WATCHED
from kinote.dicom.elements.encodings import Encoding

#: Items that are longer (in bytes), or have more headers, are always walked: skipping them would save little.
LONGEST_ITEM, _MOST = 4096, 64

#: How many shapes are kept for items of one length, and in all. Each takes at most 3 KB.
_OF_A_LENGTH, _ALL = 4, 4096

#: How deeply sequences may be nested in an item that has a shape. A reference needs one level, a functional group
#: two.
NESTED = 2


@dataclass(frozen=True, slots=True)
class ItemShape:
    """The structure that all items of a kind share. Made by `shape_of`."""

    #: Extracts all headers of an item: its own, those of its elements and nested items, and delimiters.
    form: Struct
    heads: tuple[bytes, ...]
    #: The bytes of an item with its header; the number of elements, items and delimiters in it.
    size: int
    steps: int
    #: Where in the item contents of undefined length begin, and end behind their delimiters.
    ends: tuple[tuple[int, int], ...]

    def run(self, data: bytes, pos: int, bound: int) -> int:
        """Return how many complete items of this shape follow each other between `pos` and `bound`."""
        heads_at, heads, size = self.form.unpack_from, self.heads, self.size
        begin = pos
        last = bound - size
        while pos <= last and heads_at(data, pos) == heads:
            pos += size
        return (pos - begin) // size


#: The key of shapes: encoding, longest value, and length of the item. An item of undefined length has the distance
#: to its first item delimiter instead, as a negative number.
_Kind = tuple[Encoding, int, int]


#: The shapes of each kind of item.
KNOWN_SHAPES: ByteCache[_Kind, tuple[ItemShape, ...]] = ByteCache(_ALL // _OF_A_LENGTH)


class Shapes:
    """Skips items by the shapes that all walks have learnt.

    No value with a 32-bit length may be longer than `longest_value`. The ends of contents of undefined length are
    stored in `ends`, the dict of the walk.
    """

    def __init__(self, longest_value: int, ends: dict[int, int]) -> None:
        self._longest_value = longest_value
        self._ends = ends
        #: Kinds of which this walk has met an item that can have no shape. It analyses no other item of these
        #: kinds.
        self._unlike: set[_Kind] = set()
        #: How many shapes of each kind this walk has learnt: at most as many as are kept.
        self._learnt: Counter[_Kind] = Counter()

    def pass_sequence(
        self, data: bytes, pos: int, length: int, bound: int, encoding: Encoding, shift: int
    ) -> tuple[int, int]:
        """Skip a sequence all of whose items have shapes.

        Returns where it ends, and the number of elements, items and delimiters in it. `pos` is its first byte and
        `length` its length. Returns (0, 0) if the sequence is not complete, or an item has no shape.
        """
        last = bound - 8
        if length != UNDEFINED:
            bound = pos + length if pos + length <= bound else 0
            last = bound - 8
        begin, made_of = pos, 0
        if pos > last:
            return 0, 0
        group, number, first = encoding.item.unpack_from(data, pos)
        if group == ITEM_GROUP and number == 0xE000:
            _, passed, made_of = self.pass_alike(data, pos, first, bound, encoding, shift)
            pos += passed
        if length != UNDEFINED:
            return (pos, made_of) if pos == bound else (0, 0)
        if data[pos : pos + 8] != encoding.sequence_end or pos > last:
            return 0, 0
        self._ends[begin + shift] = pos + 8 + shift
        return pos + 8, made_of + 1

    def pass_alike(
        self, data: bytes, pos: int, length: int, bound: int, encoding: Encoding, shift: int
    ) -> tuple[int, int, int]:
        """Skip the items that have shapes from `pos` on.

        Returns their number, their bytes, and the number of elements, items and delimiters in them. `length` is the
        length of the first item; bytes from `bound` on are not available. Adding `shift` to a position gives the
        position in the kept bytes.
        """
        item, longest, known = encoding.item.unpack_from, self._longest_value, KNOWN_SHAPES.entries
        begin, count, made_of = pos, 0, 0
        while True:
            if length == UNDEFINED:
                length = pos - data.find(encoding.item_end, pos, min(bound, pos + LONGEST_ITEM))
                if length > 0:
                    break
            elif length > LONGEST_ITEM or pos + 8 + length > bound:
                break
            for shape in known.get((encoding, longest, length), ()):
                alike = shape.run(data, pos, bound)
                if alike:
                    break
            else:
                learnt = self._learn(data, pos, bound, (encoding, longest, length))
                if learnt is None:
                    break
                shape, alike = learnt, learnt.run(data, pos, bound)
            if shape.ends:
                self._note_ends(shape, alike, pos + shift)
            count += alike
            made_of += alike * shape.steps
            pos += alike * shape.size
            if bound - pos < 8:
                break
            group, number, length = item(data, pos)
            if group != ITEM_GROUP or number != 0xE000:
                break
        KNOWN_SHAPES.hits += count
        return count, pos - begin, made_of

    def _note_ends(self, shape: ItemShape, alike: int, pos: int) -> None:
        for start in range(pos, pos + alike * shape.size, shape.size):
            for first, last in shape.ends:
                self._ends[start + first] = start + last

    def _learn(self, data: bytes, pos: int, bound: int, kind: _Kind) -> ItemShape | None:
        """Return the shape of this item, which no known shape fits, and keep it; None if it can have none."""
        KNOWN_SHAPES.misses += 1
        if kind in self._unlike or self._learnt[kind] == _OF_A_LENGTH or not ByteCache.enabled:
            return None
        learnt = shape_of(data, pos, min(bound, pos + 8 + LONGEST_ITEM), kind[0], self._longest_value)
        if learnt is None:
            self._unlike.add(kind)
            return None
        # Shapes met today are worth more than those of odd documents long ago: the oldest goes.
        KNOWN_SHAPES.store(kind, (*KNOWN_SHAPES.entries.get(kind, ())[1 - _OF_A_LENGTH :], learnt))
        self._learnt[kind] += 1
        return learnt


class _UnlikeError(Exception):
    """The item contains something that only the walker can judge."""


def shape_of(data: bytes, pos: int, bound: int, encoding: Encoding, longest_value: int) -> ItemShape | None:
    """Return the shape of the item that begins at `pos`.

    None unless the item ends before `bound` and consists of plain elements and sequences of such items.
    """
    outline = _Outline(data, encoding, longest_value)
    try:
        end = outline.take_item(pos, bound, sequences=NESTED)
    except _UnlikeError:
        return None
    return outline.shape(end - pos)


class _Outline:
    """Analyses one item and records where its headers are."""

    def __init__(self, data: bytes, encoding: Encoding, longest_value: int) -> None:
        self._data = data
        self._encoding = encoding
        self._longest_value = longest_value
        self._places: list[tuple[int, int]] = []
        #: Where contents of undefined length begin and end.
        self._ends: list[tuple[int, int]] = []

    def take_item(self, pos: int, bound: int, *, sequences: int) -> int:
        """Analyse an item with at most this many levels of `sequences`, and return where it ends."""
        if bound - pos < 8:
            raise _UnlikeError
        group, number, length = self._encoding.item.unpack_from(self._data, pos)
        if group != ITEM_GROUP or number != 0xE000:
            raise _UnlikeError
        self._note(pos, 8)
        begin = pos = pos + 8
        end = self._end(begin, length, bound)
        while pos < end:
            if length == UNDEFINED and self._is_delimited(begin, pos, end, self._encoding.item_end):
                return pos + 8
            pos = self._take_element(pos, end, sequences)
        return self._ended(pos, length)

    def _take_element(self, pos: int, bound: int, sequences: int) -> int:
        is_sequence, value, length = self._element(pos, bound)
        self._note(pos, value - pos)
        end = self._end(value, length, bound)
        if not is_sequence:
            return end
        if not sequences:
            raise _UnlikeError
        pos = value
        while pos < end:
            if length == UNDEFINED and self._is_delimited(value, pos, end, self._encoding.sequence_end):
                return pos + 8
            pos = self.take_item(pos, end, sequences=sequences - 1)
        return self._ended(pos, length)

    def _end(self, begin: int, length: int, bound: int) -> int:
        """Return where content ends; for undefined length, the latest possible end."""
        if length == UNDEFINED:
            return bound
        if begin + length > bound:
            raise _UnlikeError
        return begin + length

    def _is_delimited(self, begin: int, pos: int, bound: int, delimiter: bytes) -> bool:
        """Return whether content of undefined length ends at `pos`, and record its end if so."""
        if self._data[pos : pos + 8] != delimiter or pos + 8 > bound:
            return False
        self._note(pos, 8)
        self._ends.append((begin, pos + 8))
        return True

    def _ended(self, pos: int, length: int) -> int:
        """Accept that content has reached its latest possible end, which is correct only if its length is defined."""
        if length == UNDEFINED:
            raise _UnlikeError
        return pos

    def _element(self, pos: int, bound: int) -> tuple[bool, int, int]:
        """Return whether an element is a sequence, where its value begins, and its length."""
        encoding = self._encoding
        if bound - pos < 8:
            raise _UnlikeError
        if encoding.explicit:
            group, _, vr, length = encoding.head.unpack_from(self._data, pos)
            if vr in SHORT:
                return False, pos + 8, length
            if vr not in LONG or group in WATCHED or bound - pos < 12:
                raise _UnlikeError
            length = encoding.long.unpack_from(self._data, pos + 8)[0]
            is_sequence, value = vr == b"SQ", pos + 12
        else:
            group, number, length = encoding.head.unpack_from(self._data, pos)
            if group in WATCHED:
                raise _UnlikeError
            is_sequence, value = group << 16 | number in SEQUENCES, pos + 8
        if not is_sequence and length > self._longest_value:
            raise _UnlikeError
        return is_sequence, value, length

    def _note(self, pos: int, size: int) -> None:
        if len(self._places) == _MOST:
            raise _UnlikeError
        self._places.append((pos, size))

    def shape(self, size: int) -> ItemShape:
        """Return the shape of an item of `size` bytes. Adjacent headers are compared together."""
        begin = here = self._places[0][0]
        form = "="
        for first, last in self._joined():
            form += f"{first - here}x{last - first}s"
            here = last
        heads = Struct(f"{form}{begin + size - here}x")
        ends = tuple([(first - begin, last - begin) for first, last in self._ends])
        return ItemShape(heads, heads.unpack_from(self._data, begin), size, len(self._places), ends)

    def _joined(self) -> list[tuple[int, int]]:
        """Return where runs of adjacent headers begin and end."""
        runs: list[tuple[int, int]] = []
        for pos, length in self._places:
            first = pos
            if runs and runs[-1][1] == pos:
                first, _ = runs.pop()
            runs.append((first, pos + length))
        return runs
