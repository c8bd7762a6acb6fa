"""Which transfer syntax an instance goes out in (PS3.18 8.7.3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from kinote.delivery.outgoing import TARGETS
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.web.negotiation import MediaType

#: Stored with loss: decoding them would pretend to pixels nobody has, so they go out as they are.
_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in ("50", "51", "81", "91", "93", "112", "203"))

#: Compressed without loss, and decoded here.
_DECODED = frozenset(
    {
        "1.2.840.10008.1.2.5",
        *(f"1.2.840.10008.1.2.4.{last}" for last in ("57", "70", "80", "90", "201", "202")),
    }
)


def outgoing_syntax(stored: str, ranges: Sequence[MediaType]) -> str | None:
    """The transfer syntax for an instance stored in `stored`, None if no range can be satisfied.

    Among ranges of one weight the stored syntax goes first. A range without transfer syntax means
    Explicit VR Little Endian, or as stored where that would lose something or cannot be made.
    """
    for _, equals in groupby(ranges, key=lambda item: item.q):
        alike = list(equals)
        for item in alike:
            if item.transfer_syntax in ("*", stored):
                return stored
        for item in alike:
            if item.transfer_syntax is None:
                return EXPLICIT_VR_LITTLE_ENDIAN if _can_be_native(stored) else stored
            if item.transfer_syntax in TARGETS and _can_be_native(stored):
                return item.transfer_syntax
    return None


def _can_be_native(stored: str) -> bool:
    if stored in _LOSSY:
        return False
    return stored in _DECODED or not transfer_syntaxes.lookup(stored).encapsulated
