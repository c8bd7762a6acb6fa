"""Encodes elements from DICOM JSON (PS3.18 F.2) in any transfer syntax, for answers to queries.

The JSON is Kinote's own (`kinote.dicom.json.from_elements`), so values have the form of their representation. Bulk
values (BulkDataURI) become empty.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from pydicom.valuerep import format_number_as_ds

from kinote.dicom.dictionary.transfer_syntaxes import lookup
from kinote.dicom.dictionary.value_representations import BINARY, NUMBERS, SHORT, implicit_vr
from kinote.dicom.elements import encodings
from kinote.dicom.elements.byte_cache import ByteCache
from kinote.dicom.values.person_names import joined_groups

#: Attributes by tag: for a sequence, the attributes of its items; None for the whole value.
Wanted = Mapping[int, Optional["Wanted"]]

#: The word size in bytes of binary values, which are little endian in JSON (F.2.7).
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_NUL_PADDED = frozenset({"UI", *BINARY})
#: The longest value that a 16-bit length can express, in bytes.
_LONGEST_SHORT = 0xFFFE
#: How many encoded elements are kept: the answers to one query have many in common.
_KEPT = 4096
#: The longest DS, in characters.
_LONGEST_DECIMAL = 16


class ElementEncoder:
    """Encodes elements in one transfer syntax, and their text with one Python codec."""

    def __init__(self, transfer_syntax_uid: str, codec: str) -> None:
        self._begin(encodings.declared(lookup(transfer_syntax_uid)))
        self._codec = codec

    def _begin(self, encoding: encodings.Encoding) -> None:
        self._order, self._explicit = encoding.order, encoding.explicit
        self._item = encoding.item
        self._lines: ByteCache[str, bytes] = ByteCache(_KEPT)

    def line(self, line: str, wanted: Wanted | None = None) -> bytes:
        """Return the element of a line (`"GGGGEEEE":{…}`); with `wanted`, only these attributes of a sequence's
        items."""
        if wanted is not None:
            return self.attribute(int(line[1:9], 16), json.loads(line[11:]), wanted)
        encoded = self._lines.find(line)
        if encoded is None:
            encoded = self.attribute(int(line[1:9], 16), json.loads(line[11:]))
            self._lines.store(line, encoded)
        return encoded

    def text(self, tag: int, value: str) -> bytes:
        """Return an element with a text as its value, empty if the text is."""
        vr = implicit_vr(tag)
        return self.element(tag, vr, self._padded(vr, self._encoded(vr, value)))

    def attribute(self, tag: int, attribute: Mapping[str, Any], wanted: Wanted | None = None) -> bytes:
        """Return an element from its JSON object."""
        vr = attribute["vr"]
        if vr == "SQ":
            items = attribute.get("Value", ())
            return self.element(tag, vr, b"".join([self._encoded_item(item, wanted) for item in items]))
        return self.element(tag, vr, self._padded(vr, self._value(vr, attribute)))

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """Return an element from its value in bytes, whose length must be even."""
        return self.head(tag, vr, len(value)) + value

    def head(self, tag: int, vr: str, length: int) -> bytes:
        """Return the header of an element whose value has `length` bytes."""
        if not self._explicit:
            return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)
        head = struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF)
        letters = vr.encode()
        if letters in SHORT:
            if length <= _LONGEST_SHORT:
                return head + letters + struct.pack(self._order + "H", length)
            # PS3.5 6.2.2: a value too long for its representation is written as UN.
            letters = b"UN"
        return head + letters + struct.pack(self._order + "HI", 0, length)

    def item(self, content: bytes) -> bytes:
        """Return an item of a sequence with its content."""
        return self._item.pack(0xFFFE, 0xE000, len(content)) + content

    def _encoded_item(self, item: Mapping[str, Any] | None, wanted: Wanted | None) -> bytes:
        attributes = {int(tag, 16): attribute for tag, attribute in (item or {}).items()}
        if wanted is None:
            parts = [self.attribute(tag, attributes[tag]) for tag in sorted(attributes)]
        else:
            parts = [
                self.attribute(tag, attributes[tag], wanted[tag])
                if tag in attributes
                else self.element(tag, implicit_vr(tag), b"")
                for tag in sorted(wanted)
            ]
        return self.item(b"".join(parts))

    def _value(self, vr: str, attribute: Mapping[str, Any]) -> bytes:
        values: Sequence[Any] = attribute.get("Value", ())
        if vr in BINARY:
            inline = base64.b64decode(attribute.get("InlineBinary", ""))
            size = _WORDS.get(vr, 1) if self._order == ">" else 1
            return b"".join(
                [inline[at : at + size][::-1] for at in range(0, len(inline), size)] if size > 1 else [inline]
            )
        if vr in NUMBERS:
            convert: Callable[[Any], Any] = float if vr in ("FL", "FD") else int
            numbers = [convert(value) for value in values if value is not None]
            return struct.pack(f"{self._order}{len(numbers)}{NUMBERS[vr]}", *numbers)
        if vr == "AT":
            parts = [part for value in values if value for part in (int(value[:4], 16), int(value[4:], 16))]
            return struct.pack(f"{self._order}{len(parts)}H", *parts)
        write = _TEXTS.get(vr, _plain)
        return self._encoded(vr, "\\".join([write(value) for value in values]))

    def _encoded(self, vr: str, text: str) -> bytes:
        """Encode a text. Characters that the codec lacks are replaced."""
        return text.encode(self._codec, "replace")

    def _padded(self, vr: str, value: bytes) -> bytes:
        return value + (b"\0" if vr in _NUL_PADDED else b" ") if len(value) & 1 else value


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _name(value: Any) -> str:
    return joined_groups(value) if isinstance(value, dict) else _plain(value)


def _decimal(value: Any) -> str:
    if not isinstance(value, float):
        return _plain(value)
    written = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return written if len(written) <= _LONGEST_DECIMAL else format_number_as_ds(value)


_TEXTS: dict[str, Callable[[Any], str]] = {"PN": _name, "DS": _decimal}
