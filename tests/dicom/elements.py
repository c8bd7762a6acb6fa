"""Data sets as bytes, written down element by element, right or wrong."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

UNDEFINED = 0xFFFFFFFF
_LONG = {"OB", "OW", "OF", "OD", "OL", "OV", "UN", "SQ", "UC", "UR", "UT", "SV", "UV"}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes elements as a transfer syntax has them."""

    syntax: str

    @property
    def order(self) -> str:
        return ">" if self.syntax == EXPLICIT_VR_BIG_ENDIAN else "<"

    def element(self, tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
        length = len(value) if length is None else length
        head = struct.pack(self.order + "HH", tag >> 16, tag & 0xFFFF)
        if self.syntax == IMPLICIT_VR_LITTLE_ENDIAN:
            return head + struct.pack("<I", length) + value
        if vr in _LONG:
            return head + vr.encode() + struct.pack(self.order + "HI", 0, length) + value
        return head + vr.encode() + struct.pack(self.order + "H", length) + value

    def item(self, content: bytes, *, undefined: bool = False) -> bytes:
        if undefined:
            return self.mark(0xE000, UNDEFINED) + content + self.mark(0xE00D, 0)
        return self.mark(0xE000, len(content)) + content

    def sequence(self, tag: int, *items: bytes, undefined: bool = False, vr: str = "SQ") -> bytes:
        content = b"".join(items)
        if undefined:
            return self.element(tag, vr, content, UNDEFINED) + self.mark(0xE0DD, 0)
        return self.element(tag, vr, content)

    def fragments(self, tag: int, *fragments: bytes) -> bytes:
        content = b"".join(self.item(fragment) for fragment in fragments)
        return self.element(tag, "OB", content, UNDEFINED) + self.mark(0xE0DD, 0)

    def mark(self, element: int, length: int) -> bytes:
        return struct.pack(self.order + "HHI", 0xFFFE, element, length)
