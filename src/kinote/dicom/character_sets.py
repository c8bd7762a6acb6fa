"""Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1): bytes to text, never losing any.

What does not decode as declared is tried as UTF-8 and then read as Latin-1, which takes every byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import decode_bytes, python_encoding

#: The delimiters that reset ISO 2022 code elements (PS3.5 6.1.2.5.3).
_DELIMITERS = {ord(character) for character in "\\\r\n\t\f"}
_PERSON_NAME_DELIMITERS = {*_DELIMITERS, ord("^"), ord("=")}


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """How text of a level is encoded. `is_known` tells whether all declared terms are defined ones."""

    terms: tuple[str, ...]
    encodings: tuple[str, ...]
    is_known: bool

    def decode(self, value: bytes, *, is_person_name: bool = False) -> str:
        """The text of a value; `decodes` tells whether it is as declared."""
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        declared = self._as_declared(value, is_person_name)
        if declared is not None:
            return declared
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def decodes(self, value: bytes) -> bool:
        """Whether a value is what the declared character set can hold."""
        return (value.isascii() and b"\x1b" not in value) or self._as_declared(value, False) is not None

    def _as_declared(self, value: bytes, is_person_name: bool) -> str | None:
        if self.encodings == ("iso8859",) and not (self.terms and self.is_known):
            return None
        delimiters = _PERSON_NAME_DELIMITERS if is_person_name else _DELIMITERS
        if len(self.encodings) == 1 and b"\x1b" not in value:
            try:
                return value.decode(self.encodings[0])
            except UnicodeDecodeError:
                return None
        text = decode_bytes(value, list(self.encodings), delimiters)
        return None if "\ufffd" in text else text


@lru_cache(maxsize=256)
def character_set(terms: tuple[str, ...]) -> CharacterSet:
    """The character set that these defined terms declare; none declares the default repertoire."""
    named = tuple(term for term in terms if term)
    encodings = [python_encoding[term] for term in terms if term in python_encoding]
    known = all(term in python_encoding for term in named)
    return CharacterSet(named, tuple(encodings) or ("iso8859",), known)
