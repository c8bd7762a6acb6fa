"""What elements and items say, remembered by their bytes.

Key objects of one sender have the same titles, templates and observers; reading them again costs more than all that
differs. Only what holds ASCII alone is remembered, for it says the same in every character set, and only what
nothing had to be noted of.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from kinote.dicom.elements.encodings import Encoding
from kinote.dicom.values.character_sets import ESCAPE

Said = TypeVar("Said")

#: Elements and items beyond this are read each time, in bytes.
LONGEST = 1024


class Remembered(Generic[Said]):
    """What bytes say in an encoding, bounded; when full it begins anew."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._known: dict[tuple[bytes, str], Said] = {}

    def find(self, sent: bytes | None, encoding: Encoding) -> Said | None:
        return None if sent is None else self._known.get((sent, encoding.name))

    def remember(self, sent: bytes | None, encoding: Encoding, said: Said, *texts: str) -> None:
        """Remember what was `said`; `texts` are all in it that a character set may change."""
        if sent is None or len(sent) > LONGEST or ESCAPE in sent or not all(map(str.isascii, texts)):
            return
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[sent, encoding.name] = said
