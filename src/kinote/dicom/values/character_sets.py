"""Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1): decodes bytes without losing any.

Bytes that do not decode as declared are decoded as UTF-8, and otherwise as Latin-1, which accepts every byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

#: The first byte of an escape sequence (PS3.5 6.1.2.5), as a number: `in` is six times faster with a number than
#: with a bytes object.
ESCAPE = 0x1B

#: Multi-byte character sets that are used alone, without code extensions, by term.
_WHOLE = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"}

#: The Python codec for bytes 80-FF of a code element in G1, by registration number.
_RIGHT = {
    "100": "latin-1",
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "144": "iso8859-5",
    "127": "iso8859-6",
    "126": "iso8859-7",
    "138": "iso8859-8",
    "148": "iso8859-9",
    "203": "iso8859-15",
    "166": "tis-620",
    "13": "shift_jis",
    "149": "euc_kr",
    "58": "gb2312",
}
_KNOWN = {f"ISO_IR {number}" for number in _RIGHT if number not in ("149", "58")} | {
    f"ISO 2022 IR {number}" for number in (*_RIGHT, "6", "87", "159")
}
_TERM = re.compile(r"ISO[ _-]?(?:2022)?[ _-]?IR[ _-]?(\d+)")

#: Escape sequences that designate G0 (PS3.3 Tables C.12-3 and C.12-4), with a prefix that makes the bytes
#: ISO-2022-JP; "" is ASCII (or JIS X 0201, which is read as ASCII).
_G0 = {
    b"\x1b(B": b"",
    b"\x1b(J": b"",
    b"\x1b$B": b"\x1b$B",
    b"\x1b$@": b"\x1b$@",
    b"\x1b$(D": b"\x1b$(D",
}
#: Escape sequences that designate G1, with a codec for bytes 80-FF.
_G1 = {
    b"\x1b-A": "latin-1",
    b"\x1b-B": "iso8859-2",
    b"\x1b-C": "iso8859-3",
    b"\x1b-D": "iso8859-4",
    b"\x1b-L": "iso8859-5",
    b"\x1b-G": "iso8859-6",
    b"\x1b-F": "iso8859-7",
    b"\x1b-H": "iso8859-8",
    b"\x1b-M": "iso8859-9",
    b"\x1b-b": "iso8859-15",
    b"\x1b-T": "tis-620",
    b"\x1b)I": "shift_jis",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
#: The escape sequences by registration number.
_ESCAPES = {
    "100": b"\x1b-A",
    "101": b"\x1b-B",
    "109": b"\x1b-C",
    "110": b"\x1b-D",
    "144": b"\x1b-L",
    "127": b"\x1b-G",
    "126": b"\x1b-F",
    "138": b"\x1b-H",
    "148": b"\x1b-M",
    "203": b"\x1b-b",
    "166": b"\x1b-T",
    "13": b"\x1b)I",
    "149": b"\x1b$)C",
    "58": b"\x1b$)A",
    "87": b"\x1b$B",
    "159": b"\x1b$(D",
}
_ASCII, _ROMAJI = b"\x1b(B", b"\x1b(J"
#: Sets that are designated by an escape sequence wherever they are used (PS3.5 6.1.2.5, annexes I and K).
_WITH_ESCAPE = frozenset({"ISO 2022 IR 149", "ISO 2022 IR 58"})
_PIECES = re.compile(rb"\x1b\$?[(\-)]?[@A-Za-z]|[\x80-\xff]+|[^\x1b\x80-\xff]+|\x1b")
#: These reset the designations to those at the beginning of the value (PS3.5 6.1.2.5.3).
_DELIMITERS = re.compile(rb"([\\\r\n\t\f])")
_NAME_DELIMITERS = re.compile(rb"([\\\r\n\t\f^=])")
#: The same delimiters of text.
_PARTS = re.compile(r"([\\\r\n\t\f])")
_NAME_PARTS = re.compile(r"([\\\r\n\t\f^=])")


def defined_terms() -> list[tuple[str, str]]:
    """Return the defined terms that are read (PS3.3 C.12.1.1.2), each with its use: alone, or with code extensions."""
    single = [
        (term, "single byte, without code extensions") for term in sorted(_KNOWN) if term.startswith("ISO_IR")
    ]
    extended = [(term, "with code extensions") for term in sorted(_KNOWN) if term.startswith("ISO 2022")]
    return [*single, *extended, *((term, "multi-byte, without code extensions") for term in _WHOLE)]


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """The character set of the text in a level. `is_known` tells whether all declared terms are defined terms."""

    terms: tuple[str, ...]
    is_known: bool
    #: The codec of a character set that is used alone.
    codec: str = ""
    #: The codec of bytes 80-FF before any escape sequence; "" if none is declared.
    right: str = ""

    def decode(self, value: bytes, *, is_person_name: bool = False) -> str:
        """Return the text of a value."""
        if value.isascii() and ESCAPE not in value:
            return value.decode("ascii")
        try:
            return self._as_declared(value, is_person_name)
        except UnicodeDecodeError:
            pass
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def decodes(self, value: bytes, *, is_person_name: bool = False) -> bool:
        """Return whether a value is valid in the declared character set, so that `decode` returns the intended text."""
        try:
            self._as_declared(value, is_person_name)
        except UnicodeDecodeError:
            return False
        return True

    def encode(self, text: str, *, is_person_name: bool = False) -> bytes | None:
        """Encode a text so that `decode` returns the same; None if these sets cannot express it."""
        if text.isascii() and chr(ESCAPE) not in text:
            return text.encode("ascii")
        if self.codec:
            encoded = _encoded(text, self.codec)
        else:
            delimiters = _NAME_PARTS if is_person_name else _PARTS
            # Each part begins anew with the first of the sets (PS3.5 6.1.2.5.3).
            parts = [self._part(part) for part in delimiters.split(text)]
            encoded = None if None in parts else b"".join(filter(None, parts))
        if encoded is None or not self.decodes(encoded, is_person_name=is_person_name):
            return None
        return encoded if self.decode(encoded, is_person_name=is_person_name) == text else None

    def _part(self, text: str) -> bytes | None:
        """Text without delimiters by ISO 2022; None if one of its characters is in none of the sets."""
        out = bytearray()
        first = self.terms[0] if self.terms else ""
        # Readers are more tolerant: they know a set that is the first one without its escape sequence.
        left, right = b"", "" if first in _WITH_ESCAPE else self.right
        # What ends a set of 94x94 characters designates what was there at the beginning (annex H).
        end = _ROMAJI if first == "ISO 2022 IR 13" else _ASCII
        for character in text:
            if character.isascii():
                out += (end if left else b"") + character.encode("ascii")
                left = b""
                continue
            if right and (encoded := _in_g1(character, right)):
                out += encoded
                continue
            for escape in self._escapes():
                if escape in _G0 and (encoded := _in_g0(character, escape)):
                    out += (b"" if left == escape else escape) + encoded
                    left = escape
                    break
                if escape in _G1 and (encoded := _in_g1(character, _G1[escape])):
                    out += escape + encoded
                    right = _G1[escape]
                    break
            else:
                return None
        return bytes(out + (end if left else b""))

    def _escapes(self) -> list[bytes]:
        """Return the escape sequences that the declared sets allow; none without code extensions."""
        numbers = [found[1] for term in self.terms if (found := _TERM.fullmatch(term)) and "2022" in term]
        return [_ESCAPES[number] for number in numbers if number in _ESCAPES]

    def _as_declared(self, value: bytes, is_person_name: bool) -> str:
        if self.codec:
            return value.decode(self.codec)
        if ESCAPE not in value:
            return value.decode(self.right or "ascii")
        return self._with_extensions(value, _NAME_DELIMITERS if is_person_name else _DELIMITERS)

    def _with_extensions(self, value: bytes, delimiters: re.Pattern[bytes]) -> str:
        """Decode ISO 2022 as DICOM uses it (PS3.5 6.1.2.5): G0 for bytes below 80, G1 for bytes above."""
        left, right = b"", self.right
        text = []
        for piece in _PIECES.findall(value):
            if piece[0] == 0x1B:
                if piece in _G0:
                    left = _G0[piece]
                elif piece in _G1:
                    right = _G1[piece]
                else:
                    raise UnicodeDecodeError("iso2022", value, 0, 1, f"unknown escape sequence {piece!r}")
            elif piece[0] >= 0x80:
                text.append(piece.decode(right or "ascii"))
            elif left:
                text.append(_two_bytes(left, piece))
            else:
                text.append(piece.decode("ascii"))
                if delimiters.search(piece):
                    right = self.right
        return "".join(text)


def _two_bytes(escape: bytes, piece: bytes) -> str:
    """Decode text of a code element with 94x94 characters. Control characters and spaces are kept."""
    return "".join(
        (escape + run).decode("iso2022_jp_2") if run[0] > 0x20 else run.decode("ascii")
        for run in re.findall(rb"[\x21-\x7e]+|[^\x21-\x7e]+", piece)
    )


def _encoded(text: str, codec: str) -> bytes | None:
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        return None


def _in_g1(character: str, codec: str) -> bytes | None:
    """Encode a character in bytes 80-FF."""
    encoded = _encoded(character, codec)
    # JIS X 0201 has single bytes alone: other characters of Shift JIS belong to another set.
    is_there = encoded is not None and min(encoded) >= 0x80 and (codec != "shift_jis" or len(encoded) == 1)
    return encoded if is_there else None


def _in_g0(character: str, escape: bytes) -> bytes | None:
    """Encode a character of a code element of 94x94 characters."""
    encoded = _encoded(character, "iso2022_jp_2") or b""
    return encoded[len(escape) : -len(_ASCII)] if encoded.startswith(escape) else None


@lru_cache(maxsize=256)
def character_set(terms: tuple[str, ...]) -> CharacterSet:
    """Return the character set that these defined terms declare; without terms, the default repertoire.

    Terms with small deviations (`ISO-IR 100`, `UTF-8`) are understood, but do not count as known.
    """
    known = all(term in _KNOWN or term in _WHOLE for term in terms if term)
    first = terms[0].upper() if terms else ""
    if first in _WHOLE:
        return CharacterSet(terms, known, codec=_WHOLE[first])
    if first in ("UTF-8", "UTF8", "ISO_IR_192", "ISO-IR 192", "ISO IR 192"):
        return CharacterSet(terms, is_known=False, codec="utf-8")
    # Some senders put the only term with code extensions first, without the escape sequence that this requires.
    numbered = _TERM.fullmatch(first)
    right = _RIGHT.get(numbered[1], "") if numbered else ""
    return CharacterSet(terms, known, right=right)
