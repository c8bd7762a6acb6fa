"""Compares two data sets element by element (PS3.5 section 7).

Differences of encoding do not count: byte order, the form and presence of lengths, the order of elements, whether a VR
is written, padding of values, group lengths and Data Set Trailing Padding. Every other difference counts, however
small, because an object taken for the same is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from itertools import zip_longest

from pydicom.datadict import dictionary_VR, keyword_for_tag

from kinote.dicom.comparing.opened import OpenedDataSet
from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.value_representations import BINARY, NUMBERS, SINGLE_VALUE
from kinote.dicom.elements.dataset import DEEPEST_UNKNOWN
from kinote.dicom.elements.element_heads import ITEM_GROUP, UNDEFINED
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.overlay.kept_head import HeadElement, KeptHead, representation
from kinote.dicom.overlay.unknown_sequence import unknown_sequence

_TRAILING_PADDING = 0xFFFCFFFC
#: Length to End, retired: the number of bytes that follow.
_LENGTH_TO_END = 0x00080001

_PIXELS = frozenset({tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA})

#: Attributes of the root that depend on how pixels are encoded: Photometric Interpretation, Planar Configuration, and
#: the Extended Offset Table with its lengths. The comparison of the pixels takes them into account.
_OF_PIXEL_ENCODING = frozenset({0x00280004, 0x00280006, 0x7FE00001, 0x7FE00002})

#: Word sizes in bytes of the VRs whose byte order differs in big endian encodings (PS3.5 7.3).
_WORDS = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}

#: VRs of values whose VR is unknown.
_UNKNOWN = (b"", b"UN")

_NO_TEXT = frozenset({*NUMBERS, *BINARY, "AT", "SQ"})

#: Returns where the pixels of two data sets differ, as text that follows "PixelData"; "" if they are equal.
ComparePixels = Callable[[OpenedDataSet, OpenedDataSet], str]


class NotComparableError(Exception):
    """The data sets cannot be compared. The message says why."""


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of a data set: its root, or an item. `opened` is None in sequences sent as UN."""

    opened: OpenedDataSet | None
    head: KeptHead
    start: int
    end: int
    encoding: Encoding

    def elements(self) -> dict[int, HeadElement]:
        """Return the elements by tag, without those that only describe the encoding."""
        found: dict[int, HeadElement] = {}
        for element in self.head.elements(self.start, self.end, self.encoding):
            tag = element.tag
            if not tag & 0xFFFF or tag in (_TRAILING_PADDING, _LENGTH_TO_END) or tag >> 16 == ITEM_GROUP:
                continue
            if tag in found:
                raise NotComparableError(f"{_name(tag)} stands in a data set more than once")
            found[tag] = element
        return found

    @property
    def has_bulk(self) -> bool:
        return self.head.size(self.start, self.end) != self.end - self.start

    @property
    def sent(self) -> bytes:
        return self.head.kept[self.start : self.end]

    def items(self, element: HeadElement) -> Iterator[_Level] | None:
        """Yield the items of a sequence; None if the element is not one."""
        encoding = self.head.items_encoding(element, self.encoding)
        if encoding is not None:
            return _items(self.opened, self.head, element.value, element.stop, encoding)
        return None

    def unknown_items(self, element: HeadElement) -> Iterator[_Level] | None:
        """Yield the items of a sequence with VR UN or a wrong VR; None if it cannot be read as one."""
        found = unknown_sequence(self.head, element, self.encoding)
        if found is None:
            return None
        return _items(None, found.head, found.start, found.stop, found.encoding)

    def items_of_any(self, items: Iterator[_Level] | None, element: HeadElement) -> Iterator[_Level] | None:
        """Yield the items of a sequence, also of one that is not marked as such; None if it cannot be read as one."""
        if items is not None:
            return items
        if self.head.is_bulk(element) and self.head.has_bulk(element):
            raise NotComparableError(f"{_name(element.tag)} is too large to be read as a sequence")
        return iter(()) if element.value == element.stop else self.unknown_items(element)

    def is_encapsulated(self, element: HeadElement) -> bool:
        span = self.opened.span(element) if self.opened else None
        return span is not None and span.length < 0


def _items(
    opened: OpenedDataSet | None, head: KeptHead, start: int, stop: int, encoding: Encoding
) -> Iterator[_Level]:
    pos = start
    while pos <= stop - 8:
        _, number, length = encoding.item.unpack_from(head.kept, pos)
        pos += 8
        if number == 0xE000:
            end = head.ends.get(pos, pos if length == UNDEFINED else pos + length)
            yield _Level(opened, head, pos, end, encoding)
            pos = end


def difference(
    one: OpenedDataSet,
    other: OpenedDataSet,
    compare_pixels: ComparePixels,
    leaving_out: Set[int] = frozenset(),
) -> str:
    """Return where two data sets first differ: a sentence without its full stop; "" if they are equal.

    `compare_pixels` is called for encapsulated pixel data. Attributes `leaving_out` of the root are not compared.
    Raises `NotComparableError`, and `OSError` if a data set cannot be read.
    """
    comparing = _Comparing(one, other, compare_pixels, leaving_out)
    found = comparing.level(_root(one), _root(other), "", 0)
    return found or comparing.pixels()


def differing(one: OpenedDataSet, other: OpenedDataSet, wanted: Set[int]) -> list[int]:
    """Return those of the wanted root attributes in which two data sets differ, in order. Raises as `difference`."""
    comparing = _Comparing(one, other, lambda first, second: "", frozenset())
    first, second = _root(one), _root(other)
    return [tag for tag in sorted(wanted) if comparing.attribute(first, second, tag)]


def _root(opened: OpenedDataSet) -> _Level:
    return _Level(opened, opened.head, 0, len(opened.head.kept), opened.encoding)


@dataclass(slots=True)
class _Comparing:
    one: OpenedDataSet
    other: OpenedDataSet
    compare_pixels: ComparePixels
    leaving_out: Set[int]
    _differs_in_coding: bool = field(init=False)
    _asks_for_pixels: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        syntaxes = self.one.transfer_syntax, self.other.transfer_syntax
        self._differs_in_coding = any(each.encapsulated for each in syntaxes) and syntaxes[0] != syntaxes[1]

    def pixels(self) -> str:
        """Compare encapsulated pixel data, once everything else is equal."""
        said = self.compare_pixels(self.one, self.other) if self._asks_for_pixels else ""
        return f"{_name(tags.PIXEL_DATA)} {said}" if said else ""

    def attribute(self, one: _Level, other: _Level, tag: int) -> bool:
        """Return whether an attribute of two roots differs."""
        first, second = one.elements().get(tag), other.elements().get(tag)
        if first is None or second is None:
            return (first is None) is not (second is None)
        return bool(self._element(one, first, other, second, "", 0))

    def level(self, one: _Level, other: _Level, place: str, depth: int) -> str:
        if (
            one.encoding is other.encoding
            and one.sent == other.sent
            and not one.has_bulk
            and not other.has_bulk
        ):
            return ""
        first, second = one.elements(), other.elements()
        for tag in sorted(first.keys() | second.keys()):
            if not depth and (
                tag in self.leaving_out or (self._differs_in_coding and tag in _OF_PIXEL_ENCODING)
            ):
                continue
            where = f"{place}{_name(tag)}"
            if tag not in first or tag not in second:
                return f"{where} is in one of them only"
            said = self._element(one, first[tag], other, second[tag], where, depth)
            if said:
                return said
        return ""

    def _element(
        self, one: _Level, first: HeadElement, other: _Level, second: HeadElement, where: str, depth: int
    ) -> str:
        if one.is_encapsulated(first) or other.is_encapsulated(second):
            if depth or first.tag not in _PIXELS:
                # An icon, or a private element: its fragments are compared byte by byte.
                return self._value(one, first, other, second, where)
            self._asks_for_pixels = True
            return ""
        items, others = one.items(first), other.items(second)
        if items is None and others is None:
            said = self._value(one, first, other, second, where)
            if not said or first.vr not in _UNKNOWN or second.vr not in _UNKNOWN:
                return said
            # Private sequences without a VR on either side.
            items, others = one.unknown_items(first), other.unknown_items(second)
            if items is None or others is None:
                return said
        items = one.items_of_any(items, first)
        others = other.items_of_any(others, second)
        if items is None or others is None:
            return f"{where} is a sequence in one of them only"
        if depth > 100 + DEEPEST_UNKNOWN:
            raise NotComparableError("Sequences lie too deep in each other")
        for number, (item, its_like) in enumerate(zip_longest(items, others), 1):
            if item is None or its_like is None:
                return f"{where} has more items in one of them"
            said = self.level(item, its_like, f"{where} item {number}, ", depth + 1)
            if said:
                return said
        return ""

    def _value(self, one: _Level, first: HeadElement, other: _Level, second: HeadElement, where: str) -> str:
        if not _may_be_alike(first, second):
            return f"{where} is {first.vr.decode('latin-1')} in one of them, {second.vr.decode('latin-1')} in the other"
        value, like = _Value.of(one, first), _Value.of(other, second)
        if value.in_head is not None and like.in_head is not None:
            vr = representation(first if first.vr not in _UNKNOWN else second, one.encoding)
            return "" if _are_alike(value.whole(), like.whole(), vr) else f"{where} differs"
        return "" if _are_streams_alike(value, like) else f"{where} differs"


@dataclass(frozen=True, slots=True)
class _Value:
    """A value in the head or in the file, and the size of its words for conversion to little endian."""

    in_head: bytes | None
    opened: OpenedDataSet | None
    offset: int
    size: int
    word: int

    @classmethod
    def of(cls, level: _Level, element: HeadElement) -> _Value:
        swaps = level.encoding.order != "<" and element.vr != b"UN"
        word = _WORDS.get(element.vr.decode("latin-1"), 1) if swaps else 1
        if word > 1 and element.tag == tags.PIXEL_DATA and level.opened and level.start == 0:
            # Samples of 32 bits and more are swapped whole, as wherever their pixels are read.
            word = max(word, (level.opened.root.integer(tags.BITS_ALLOCATED) or 0) // 8)
        span = level.opened.span(element) if level.opened else None
        if span is None:
            if level.head.is_bulk(element) and level.head.has_bulk(element):
                raise NotComparableError(f"{_name(element.tag)} lies within a value that is too large")
            value = level.head.kept[element.value : element.stop]
            return cls(value, None, 0, len(value), word)
        size = span.length if span.length >= 0 else span.fragments[-2] + span.fragments[-1] - span.offset
        return cls(None, level.opened, span.offset, size, word)

    def whole(self) -> bytes:
        assert self.in_head is not None
        return _little(self.in_head, self.word)

    def chunks(self) -> Iterator[bytes]:
        """Yield the value in chunks. All but the last consist of whole words."""
        if self.opened is None:
            yield self.whole()
            return
        # Chunks of a file have 64 KB, which are whole words.
        for chunk in self.opened.read(self.offset, self.size):
            yield _little(chunk, self.word)


def _little(value: bytes, word: int) -> bytes:
    """Convert a big endian value to little endian."""
    if word == 1:
        return value
    whole = len(value) // word * word
    swapped = bytearray(value[:whole])
    for octet in range(word):
        swapped[octet::word] = value[word - 1 - octet : whole : word]
    return bytes(swapped) + value[whole:]


def _may_be_alike(first: HeadElement, second: HeadElement) -> bool:
    """Return whether values of these VRs can be equal if their bytes are. None and UN match any VR."""
    either = {first.vr, second.vr}
    if len(either) == 1 or b"" in either or b"UN" in either:
        return True
    try:
        names = dictionary_VR(first.tag).split(" or ")
    except KeyError:
        return False
    return all(vr.decode("latin-1") in names for vr in either)


def _are_alike(one: bytes, other: bytes, vr: str) -> bool:
    if one == other:
        return True
    if vr in _NO_TEXT:
        return _is_padded(one, other) or _is_padded(other, one)
    if one.rstrip(b"\0 ") == other.rstrip(b"\0 "):
        return True
    if vr in SINGLE_VALUE or not one.isascii() or not other.isascii() or b"\x1b" in one + other:
        return False
    # Each of several values may be padded (PS3.5 6.4).
    return [part.rstrip(b"\0 ") for part in one.split(b"\\")] == [
        part.rstrip(b"\0 ") for part in other.split(b"\\")
    ]


def _is_padded(short: bytes, long: bytes) -> bool:
    """Return whether `long` is `short`, whose length is odd and so not allowed, with a padding byte."""
    return len(short) % 2 == 1 and long == short + b"\0"


def _are_streams_alike(one: _Value, other: _Value) -> bool:
    if abs(one.size - other.size) > 1:
        return False
    left = right = b""
    ours, theirs = one.chunks(), other.chunks()
    while True:
        if not left:
            left = next(ours, b"")
        if not right:
            right = next(theirs, b"")
        if not left or not right:
            rest = left or right
            return not rest or (rest in (b"\0", b" ") and min(one.size, other.size) % 2 == 1)
        common = min(len(left), len(right))
        if left[:common] != right[:common]:
            return False
        left, right = left[common:], right[common:]


def _name(tag: int) -> str:
    keyword = keyword_for_tag(tag)
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{keyword} {number}" if keyword else number
