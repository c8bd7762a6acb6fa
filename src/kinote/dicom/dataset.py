"""A view on one level of a scanned data set: its root, or one item of a sequence.

Reading is tolerant: a value of another representation than the dictionary has is read as far as it can
be; one that cannot be read is None. Text is decoded by the Specific Character Set of the level, or of
the nearest level above that has one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kinote.dicom import tags
from kinote.dicom.character_sets import CharacterSet, character_set
from kinote.dicom.errors import DicomError
from kinote.dicom.scanner import (
    DEFAULT_LIMITS,
    KEEP_ALL,
    BulkSpan,
    DataSetScanner,
    Limits,
    Tokens,
    implicit_vr,
)
from kinote.dicom.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN

#: Levels with more elements than this are indexed at the first look-up; smaller ones are searched.
_SEARCHED = 12

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "AT": "HH"}
_TEXT_IS_PLAIN = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})


class DataSet:
    """One level of a scanned data set. Tags are numbers, e.g. 0x00100020 (`kinote.dicom.tags`)."""

    __slots__ = ("_characters", "_first", "_found", "_kept", "_order", "_outer", "_stop", "_tokens", "bulk")

    def __init__(
        self,
        kept: bytes | bytearray,
        tokens: Tokens,
        first: int,
        stop: int,
        order: str,
        outer: DataSet | None,
        bulk: tuple[BulkSpan, ...] = (),
    ) -> None:
        self._kept = kept
        self._tokens = tokens
        self._first = first
        self._stop = stop
        self._order = order
        self._outer = outer
        self._found: dict[int, int] | None = None
        self._characters: CharacterSet | None = None
        #: Of the root: the values that were let pass, in order.
        self.bulk = bulk

    def __iter__(self) -> Iterator[int]:
        """The tags of this level, in order."""
        for token in self._level():
            yield self._tokens.tag[token]

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, int) and self._find(tag) >= 0

    def __len__(self) -> int:
        return sum(1 for _ in self._level())

    @property
    def extent(self) -> tuple[bytes | bytearray, Tokens, int, int, str]:
        """The kept bytes, the tokens, the first token of this level and the first beyond it, and the byte
        order: for readers of many small levels, who look up tokens themselves."""
        return self._kept, self._tokens, self._first, self._stop, self._order

    @property
    def character_set(self) -> CharacterSet:
        """The character set text of this level is in (PS3.5 6.1.2.3)."""
        if self._characters is None:
            token = self._find(tags.SPECIFIC_CHARACTER_SET)
            if token >= 0:
                terms = self._bytes(token).decode("ascii", "replace").strip("\0 ").split("\\")
                self._characters = character_set(tuple(term.strip() for term in terms))
            elif self._outer is not None:
                self._characters = self._outer.character_set
            else:
                self._characters = character_set(())
        return self._characters

    def vr(self, tag: int) -> str | None:
        """The value representation of an attribute as sent; UN is looked up. None if it is not there."""
        token = self._find(tag)
        return None if token < 0 else self._vr(token)

    def raw(self, tag: int) -> bytes | None:
        """The bytes of a value; None if it is not there or was let pass as bulk."""
        token = self._find(tag)
        if token < 0 or self.is_bulk(tag):
            return None
        return self._bytes(token)

    def is_bulk(self, tag: int) -> bool:
        token = self._find(tag)
        root = self
        while root._outer is not None:
            root = root._outer
        return any(span.token == token for span in root.bulk)

    def text(self, tag: int) -> str | None:
        """A value as text, all of it, without padding; '' if it is empty, None if it is not there."""
        token = self._find(tag)
        if token < 0:
            return None
        vr = self._vr(token)
        if vr in _BINARY:
            numbers = self._numbers(token, vr)
            return "\\".join(str(number) for number in numbers)
        value = self._bytes(token)
        if vr in _TEXT_IS_PLAIN:
            return value.decode("latin-1").strip("\0 ")
        decoded = self.character_set.decode(value, is_person_name=vr == "PN")
        return decoded.rstrip("\0 ") if vr in _ONE_VALUE else decoded.strip("\0 ")

    def texts(self, tag: int) -> tuple[str, ...]:
        """The values of a multi-valued attribute; empty if there are none."""
        value = self.text(tag)
        return tuple(part.strip("\0 ") for part in value.split("\\")) if value else ()

    def integer(self, tag: int) -> int | None:
        """The first value as a whole number; None if there is none or it cannot be read."""
        values = self.integers(tag)
        return values[0] if values else None

    def integers(self, tag: int) -> tuple[int, ...]:
        """The values as whole numbers, leaving out what cannot be read as one."""
        found = []
        for part in self.texts(tag):
            try:
                number = float(part)
                found.append(int(number))
            except (ValueError, OverflowError):
                continue
        return tuple(found)

    def number(self, tag: int) -> float | None:
        """The first value as a number; None if there is none or it cannot be read."""
        values = self.texts(tag)
        try:
            return float(values[0]) if values else None
        except ValueError:
            return None

    def items(self, tag: int) -> tuple[DataSet, ...]:
        """The items of a sequence; empty if it is absent, empty or no sequence."""
        token = self._find(tag)
        if token < 0:
            return ()
        columns = self._tokens
        if columns.vr[token] == "UN" and implicit_vr(tag) == "SQ":
            return self._items_of_unknown(token)
        if columns.vr[token] != "SQ":
            return ()
        found = []
        item = token + 1
        while item < columns.after[token]:
            found.append(DataSet(self._kept, columns, item + 1, columns.after[item], self._order, self))
            item = columns.after[item]
        return tuple(found)

    def span(self, tag: int) -> bytes | None:
        """The kept bytes of an element's value, nested ones included: what tells equal elements apart."""
        token = self._find(tag)
        return None if token < 0 else self._bytes(token)

    def _items_of_unknown(self, token: int) -> tuple[DataSet, ...]:
        """A sequence sent as UN of defined length holds implicit little endian (PS3.5 6.2.2)."""
        value = self._bytes(token)
        header = bytes(
            (
                *struct.pack("<HH", self._tokens.tag[token] >> 16, self._tokens.tag[token] & 0xFFFF),
                *struct.pack("<I", len(value)),
            )
        )
        try:
            parsed = scan(header + value, IMPLICIT_VR_LITTLE_ENDIAN, KEEP_ALL)
        except DicomError:
            return ()
        parsed._outer = self
        return parsed.items(self._tokens.tag[token])

    def _level(self) -> Iterator[int]:
        after = self._tokens.after
        token = self._first
        while token < self._stop:
            yield token
            token = after[token]

    def _find(self, tag: int) -> int:
        if self._found is not None:
            return self._found.get(tag, -1)
        if self._stop - self._first > _SEARCHED:
            columns = self._tokens
            found: dict[int, int] = {}
            token = self._first
            while token < self._stop:
                found.setdefault(columns.tag[token], token)
                token = columns.after[token]
            self._found = found
            return found.get(tag, -1)
        columns = self._tokens
        token = self._first
        while token < self._stop:
            if columns.tag[token] == tag:
                return token
            token = columns.after[token]
        return -1

    def _vr(self, token: int) -> str:
        vr = self._tokens.vr[token]
        if vr == "UN":
            return implicit_vr(self._tokens.tag[token])
        return vr

    def _bytes(self, token: int) -> bytes:
        return bytes(self._kept[self._tokens.start[token] : self._tokens.end[token]])

    def _numbers(self, token: int, vr: str) -> tuple[int | float, ...]:
        value = self._bytes(token)
        size = struct.calcsize("=" + _BINARY[vr])
        count = len(value) // size
        numbers: tuple[int | float, ...] = struct.unpack(
            f"{self._order}{_BINARY[vr] * count}", value[: count * size]
        )
        return numbers


def scanned(scanner: DataSetScanner) -> DataSet:
    """The root of what a finished scanner has walked."""
    order = "<" if scanner.transfer_syntax.little_endian else ">"
    return DataSet(scanner.kept, scanner.tokens, 0, len(scanner.tokens.tag), order, None, tuple(scanner.bulk))


def scan(data: bytes, transfer_syntax_uid: str, limits: Limits = DEFAULT_LIMITS) -> DataSet:
    """Walk a data set in memory. Raises a `DicomError` where it is cut, malformed or beyond the limits."""
    scanner = DataSetScanner(transfer_syntax_uid, limits)
    scanner.take_whole(data)
    scanner.finish()
    return scanned(scanner)
