"""Encodes elements in the character set of a data set, and refuses text that it cannot represent."""

from __future__ import annotations

from kinote.dicom.dictionary.value_representations import PLAIN_TEXT
from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.json.to_elements import ElementEncoder
from kinote.dicom.overlay.changes import OverlayError
from kinote.dicom.values.character_sets import CharacterSet


class NotWritableError(ValueError):
    """A text has characters that the character set does not have."""


class ExactEncoder(ElementEncoder):
    """Encodes elements for a walked data set. Raises `NotWritableError` rather than lose a character."""

    def __init__(self, encoding: Encoding, character_set: CharacterSet) -> None:
        self._begin(encoding)
        self._character_set = character_set

    def _encoded(self, vr: str, text: str) -> bytes:
        if vr in PLAIN_TEXT:
            if not text.isascii():
                raise OverlayError(f"A value of representation {vr} takes no such characters: {text[:40]!r}")
            return text.encode("ascii")
        encoded = self._character_set.encode(text, is_person_name=vr == "PN")
        if encoded is None:
            raise NotWritableError(f"{self._character_set.terms} has no characters for {text[:40]!r}")
        return encoded
