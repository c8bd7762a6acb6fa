"""Access to one level of a scanned data set: its root, or one item of a sequence.

Reading is tolerant. A value sent with another representation than the dictionary has is converted if possible. A
value that cannot be read is None. Text is decoded by the Specific Character Set of the level, or of the nearest
level above that has one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.dictionary.value_representations import (
    BINARY,
    NAMES,
    NUMBERS,
    PLAIN_TEXT,
    SEQUENCES,
    SIGNED_BY_PIXELS,
    SINGLE_VALUE,
    implicit_vr,
)
from kinote.dicom.elements import level
from kinote.dicom.elements.bulk import BulkSpan
from kinote.dicom.elements.element_heads import Element
from kinote.dicom.elements.encodings import IMPLICIT_LITTLE, Encoding
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.limits import DEFAULT_LIMITS, KEEP_ALL, Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.values.character_sets import ESCAPE, CharacterSet, character_set
from kinote.dicom.values.numbers import as_integer, parse_decimal, unpack

#: The representations of most text, as bytes: all except numbers, binary values and text that is a single value.
_ONE_LINE = frozenset(
    vr for vr, name in NAMES.items() if name not in {*NUMBERS, *BINARY, *SINGLE_VALUE, "AT", "SQ"}
)

#: Sequences with at most this many items keep their items after the first access, since several readers visit them.
_FEW = 64

#: The items of sequences up to this size are made together, in bytes.
_SHORT_SEQUENCE = 64 * 1024

#: Sequences sent as UN of defined length are read so deep in each other: no walk of what lies around them bounds them.
DEEPEST_UNKNOWN = 16

#: A number with fewer characters than this fits into 31 bits.
_SURELY_AN_INTEGER = 10

_NO_CHARACTERS = character_set(())


class DataSet:
    """One level of a scanned data set. Tags are numbers, e.g. 0x00100020 (`kinote.dicom.dictionary.tags`)."""

    __slots__ = (
        *("_characters", "_elements", "_encoding", "_end", "_ends", "_items", "_kept", "_outer", "_start"),
        *("bulk", "notes", "repeated"),
    )

    def __init__(
        self,
        kept: bytes,
        start: int,
        end: int,
        encoding: Encoding,
        ends: Mapping[int, int],
        outer: DataSet | None,
    ) -> None:
        self._kept = kept
        self._start = start
        self._end = end
        self._encoding = encoding
        self._ends = ends
        self._outer = outer
        self._elements: dict[int, Element] | None = None
        self._items: dict[int, tuple[DataSet, ...]] | None = None
        self._characters: CharacterSet | None = None
        #: In the root only: the bulk values, in order.
        self.bulk: tuple[BulkSpan, ...] = ()
        #: In the root only: harmless deviations from the standard, in words.
        self.notes: tuple[str, ...] = ()
        #: In the root only: how many elements are repeated later. The last one with a tag counts.
        self.repeated = 0

    def __iter__(self) -> Iterator[int]:
        """Iterate over the tags of this level, in the order in which they were sent."""
        return iter(self._level())

    def __contains__(self, tag: object) -> bool:
        return tag in (self._elements or self._level())

    def __len__(self) -> int:
        return len(self._level())

    @property
    def encoding(self) -> Encoding:
        """The encoding of the elements of this level. It may differ from the declared one."""
        return self._encoding

    @property
    def sent(self) -> bytes:
        """The kept bytes of this level. Equal items have equal bytes."""
        return self._kept[self._start : self._end]

    @property
    def sent_whole(self) -> bytes:
        """The kept bytes of an item, with the item header before it."""
        return self._kept[self._start - 8 : self._end]

    @property
    def character_set(self) -> CharacterSet:
        """The character set of the text in this level (PS3.5 6.1.2.3)."""
        if self._characters is None:
            found = self._level().get(tags.SPECIFIC_CHARACTER_SET)
            if found is not None:
                terms = self._kept[found[2] : found[3]].decode("latin-1").strip("\0 ").split("\\")
                self._characters = character_set(tuple(term.strip() for term in terms))
            else:
                self._characters = _NO_CHARACTERS if self._outer is None else self._outer.character_set
        return self._characters

    def has_context_of(self, outer: DataSet) -> bool:
        """Return whether equal bytes mean the same in this level and in `outer`, the level above."""
        return (
            self._encoding is outer._encoding
            and tags.SPECIFIC_CHARACTER_SET not in self
            and tags.PIXEL_REPRESENTATION not in self
        )

    def vr(self, tag: int) -> str | None:
        """Return the value representation of an attribute as it was sent, or None if the attribute is absent. UN is
        replaced by the representation of the dictionary."""
        found = self._level().get(tag)
        return None if found is None else self._vr(tag, found[0])

    def sent_vr(self, tag: int) -> str:
        """Return the value representation in the bytes, which may be UN; '' if there is none, or no such element."""
        found = self._level().get(tag)
        return "" if found is None else found[0].decode("latin-1")

    def has_any(self, wanted: AbstractSet[int]) -> bool:
        """Return whether at least one of these attributes is present."""
        return not self._level().keys().isdisjoint(wanted)

    def sent_otherwise(self, representations: Mapping[int, bytes]) -> list[int]:
        """Return those of these attributes that were sent with another representation than the given one, UN
        included."""
        level = self._level()
        return [
            tag
            for tag, vr in representations.items()
            if (found := level.get(tag)) is not None and found[0] and found[0] != vr
        ]

    def raw(self, tag: int) -> bytes | None:
        """Return the bytes of a value; None if the attribute is absent, or its value is bulk."""
        found = (self._elements or self._level()).get(tag)
        if found is None:
            return None
        start, end = found[2], found[3]
        return None if start == end and start in self._ends else self._kept[start:end]

    def is_bulk(self, tag: int) -> bool:
        """Return whether the value is bulk. Its position is in `bulk` of the root."""
        found = self._level().get(tag)
        return found is not None and found[2] == found[3] and found[2] in self._ends

    def text(self, tag: int) -> str | None:
        """Return the whole value as text without padding; '' if it is empty, None if it is absent."""
        found = (self._elements or self._level()).get(tag)
        if found is None:
            return None
        sent, _, start, end = found
        value = self._kept[start:end]
        if sent in _ONE_LINE and value.isascii() and ESCAPE not in value:
            return value.decode("ascii").strip("\0 ")
        vr = self._vr(tag, sent)
        if vr in NUMBERS or vr == "AT":
            order = "<" if sent == b"UN" else self._encoding.order
            return "\\".join([str(number) for number in unpack(value, vr, order)])
        if value.isascii() and ESCAPE not in value:
            decoded = value.decode("ascii")
        elif vr in PLAIN_TEXT:
            decoded = value.decode("latin-1")
        else:
            decoded = self.character_set.decode(value, is_person_name=vr == "PN")
        return decoded.rstrip("\0 ") if vr in SINGLE_VALUE else decoded.strip("\0 ")

    def each_text(self, wanted: Iterable[int]) -> list[str]:
        """Return the values of several attributes as `text` does, with '' for an absent one."""
        level, kept = self._level(), self._kept
        texts = []
        for tag in wanted:
            found = level.get(tag)
            if found is None:
                texts.append("")
                continue
            sent, _, start, end = found
            value = kept[start:end]
            if sent in _ONE_LINE and value.isascii() and ESCAPE not in value:
                texts.append(value.decode("ascii").strip("\0 "))
            else:
                texts.append(self.text(tag) or "")
        return texts

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the values of a multi-valued attribute; an empty list if there are none."""
        value = self.text(tag)
        if not value:
            return ()
        if "\\" not in value or self.vr(tag) in SINGLE_VALUE:
            return (value,)
        return tuple(part.strip("\0 ") for part in value.split("\\"))

    def integer(self, tag: int) -> int | None:
        """Return the first value as a whole number; None if it is absent or cannot be read."""
        found = self._level().get(tag)
        if found is None:
            return None
        # Most values need no more than this. The rest, invalid ones included, are parsed with care.
        sent, _, start, end = found
        if sent == b"US" and end - start == 2:
            return int.from_bytes(self._kept[start:end], "little" if self._encoding.order == "<" else "big")
        if sent == b"IS" and end - start < _SURELY_AN_INTEGER:
            written = self._kept[start:end].strip(b" ")
            if written.isdigit():
                return int(written)
        values = self.integers(tag)
        return values[0] if values else None

    def integers(self, tag: int) -> tuple[int, ...]:
        """Return the values as whole numbers, without those that are none. A decimal string may be one, e.g.
        `1.5e1`."""
        vr = self.vr(tag)
        found = (as_integer(part, vr) for part in self.texts(tag))
        return tuple([number for number in found if number is not None])

    def number(self, tag: int) -> float | None:
        """Return the first value as a number; None if it is absent or cannot be read."""
        values = self.numbers(tag)
        return values[0] if values else None

    def numbers(self, tag: int) -> tuple[float | None, ...]:
        """Return the values as numbers, with None for each that cannot be read.

        A decimal comma is read as the point that PS3.5 6.2 requires: it can mean nothing else.
        """
        is_binary = self.vr(tag) in NUMBERS
        return tuple(
            [
                float(part) if is_binary else parse_decimal(part.replace(",", ".", 1))
                for part in self.texts(tag)
            ]
        )

    def items(self, tag: int) -> tuple[DataSet, ...]:
        """Return the items of a sequence; none if it is absent, empty, or not a sequence."""
        known = self._items
        if known is None:
            known = self._items = {}
        elif tag in known:
            return known[tag]
        items = self.sequence(tag).all()
        if len(items) <= _FEW:
            known[tag] = items
        return items

    def each_item(self, tag: int) -> Iterable[DataSet]:
        """Return the items of a sequence one after the other: those of a long one take no memory together."""
        items = self.sequence(tag)
        return self.items(tag) if items.stop - items.start <= _SHORT_SEQUENCE else items

    def sequence(self, tag: int) -> Items:
        """Return the items of a sequence without creating them, for sequences with thousands of similar items."""
        found = self._level().get(tag)
        if found is None:
            return Items(self, self._encoding, 0, 0)
        vr, _, start, end = found
        if vr == b"SQ":
            encoding = self._encoding
        elif start in self._ends and start != end:
            # The walker has parsed it: it is a sequence of undefined length, sent as UN or in an implicit encoding.
            encoding = IMPLICIT_LITTLE if vr == b"UN" else self._encoding
        elif not vr and not self._encoding.explicit and tag in SEQUENCES:
            encoding = self._encoding
        else:
            return self._sequence_of_unknown(tag, start, end)
        return Items(self, encoding, start, end)

    def element(self, tag: int, longest: int) -> bytes | None:
        """Return the kept bytes of a whole element, nested ones included; equal elements have equal bytes.

        None if it is absent or has more than `longest` bytes.
        """
        found = self._level().get(tag)
        return None if found is None or found[3] - found[1] > longest else self._kept[found[1] : found[3]]

    def joined(self, wanted: Iterable[int], longest: int) -> bytes | None:
        """Return the kept bytes of these elements one after the other; data sets that agree in them have equal
        bytes.

        None if one of them has more than `longest` bytes.
        """
        level, kept = self._level(), self._kept
        parts = []
        for tag in wanted:
            found = level.get(tag)
            if found is not None:
                if found[3] - found[1] > longest:
                    return None
                parts.append(kept[found[1] : found[3]])
        return b"".join(parts)

    def entries(self, longest: int) -> list[tuple[int, bytes | None]]:
        """Return the tags of this level, each with the bytes of the whole element, or None if they are more than
        `longest`."""
        kept = self._kept
        return [
            (tag, kept[start:end] if end - start <= longest else None)
            for tag, (_, start, _, end) in self._level().items()
        ]

    def _level(self) -> dict[int, Element]:
        found = self._elements
        if found is None:
            found = self._elements = level.elements(
                self._kept, self._start, self._end, self._encoding, self._ends
            )
        return found

    def _sequence_of_unknown(self, tag: int, start: int, end: int) -> Items:
        """Return the items of a sequence sent as UN with a defined length. These should be implicit little endian
        (PS3.5 6.2.2)."""
        value = self._kept[start:end]
        none = Items(self, self._encoding, 0, 0)
        depth = self._depth_of_unknown()
        if value[:4] != b"\xfe\xff\x00\xe0" or depth == DEEPEST_UNKNOWN:
            return none
        head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        length = struct.pack("<I", len(value))
        for syntax, sequence in (
            (IMPLICIT_VR_LITTLE_ENDIAN, head + b"\xff" * 4 + value + b"\xfe\xff\xdd\xe0\0\0\0\0"),
            (EXPLICIT_VR_LITTLE_ENDIAN, head + b"SQ\0\0" + length + value),
        ):
            try:
                parsed = scan(sequence, syntax, KEEP_ALL)
            except DicomError:
                continue
            if parsed.items(tag) and all(
                0 < inner >> 16 < 0xFFFC for item in parsed.items(tag) for inner in item
            ):
                parsed._outer = self
                return parsed.sequence(tag)
        return none

    def _depth_of_unknown(self) -> int:
        """Return how many sequences sent as UN of defined length this level lies in."""
        depth = 0
        level = self
        while level._outer is not None:
            # Only they have been walked as a data set of their own within another one.
            depth += level._start == 0
            level = level._outer
        return depth

    def _vr(self, tag: int, sent: bytes) -> str:
        name = NAMES.get(sent, "UN")
        if name != "UN":
            return name
        if tag in SIGNED_BY_PIXELS:
            return "SS" if self.has_signed_pixels else "US"
        if sent == b"UN" and self._encoding.explicit and tag >> 16 & 1:
            return name
        return implicit_vr(tag)

    @property
    def has_signed_pixels(self) -> bool:
        """Whether pixel values are signed, by the Pixel Representation of this level or of the nearest level above
        that has one."""
        level: DataSet | None = self
        while level is not None:
            if tags.PIXEL_REPRESENTATION in level:
                return level.integer(tags.PIXEL_REPRESENTATION) == 1
            level = level._outer
        return False


class Items:
    """The items of a sequence, each created on access.

    They are between `start` and `stop` in the `kept` bytes of the data set.
    """

    __slots__ = ("_level", "encoding", "start", "stop")

    def __init__(self, level: DataSet, encoding: Encoding, start: int, stop: int) -> None:
        self._level = level
        #: The encoding of the elements in these items.
        self.encoding = encoding
        self.start = start
        self.stop = stop

    @property
    def kept(self) -> bytes:
        return self._level._kept

    @property
    def bulk(self) -> Sequence[BulkSpan]:
        """What is left out of them where they are by themselves, having been sent as UN."""
        return self._level.bulk

    @property
    def ends(self) -> Mapping[int, int]:
        """Where in them values end that their length does not tell (`Walk.ends`)."""
        return self._level._ends

    def next_from(self, pos: int) -> tuple[int, int] | None:
        """Return where the content of the first item at or after `pos` begins and ends; None if there are no more
        items."""
        return level.next_item(self._level._kept, pos, self.stop, self.encoding, self._level._ends)

    def at(self, place: tuple[int, int]) -> DataSet:
        """Return the item whose content begins and ends at these positions."""
        level = self._level
        return DataSet(level._kept, *place, self.encoding, level._ends, level)

    def __iter__(self) -> Iterator[DataSet]:
        pos = self.start
        while (place := self.next_from(pos)) is not None:
            yield self.at(place)
            pos = place[1]

    def all(self) -> tuple[DataSet, ...]:
        return tuple(self)


def scanned(scanner: DataSetScanner) -> DataSet:
    """Return the root of what a scanner has walked. If the scanner is not finished, this is the part so far."""
    walk = scanner.walk
    kept = walk.kept
    root = DataSet(kept, 0, len(kept), walk.encoding, walk.ends, None)
    root._elements = walk.root
    root.bulk = tuple(walk.bulk)
    root.notes = tuple(walk.notes)
    root.repeated = walk.met - len(walk.root)
    if list(walk.root) != sorted(walk.root):
        root.notes += ("elements are out of order",)
    return root


def scan(data: bytes, transfer_syntax_uid: str, limits: Limits = DEFAULT_LIMITS) -> DataSet:
    """Walk a data set in memory and return its root.

    Raises a `DicomError` if the data set is truncated, malformed or beyond the limits.
    """
    scanner = DataSetScanner(transfer_syntax_uid, limits)
    scanner.feed(data)
    scanner.finish()
    return scanned(scanner)
