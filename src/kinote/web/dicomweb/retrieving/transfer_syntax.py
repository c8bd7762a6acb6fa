"""Chooses the transfer syntax of an instance in a response (PS3.18 8.7.3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from kinote.decoding.frame_decoder import can_decode
from kinote.delivery.outgoing import TARGETS
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, LOSSY
from kinote.web.bodies.negotiation import MediaType


def outgoing_syntax(stored: str, ranges: Sequence[MediaType]) -> str | None:
    """Return the transfer syntax for an instance stored in `stored`; None if no range can be satisfied.

    Among ranges of the same weight, the stored syntax comes first. A range without transfer syntax means Explicit VR
    Little Endian; or the stored one, if that is lossy or cannot be decoded. This exception applies only to ranges
    without a transfer syntax (PS3.18 8.7.3.4).
    """
    decodable = can_decode(transfer_syntaxes.lookup(stored))
    for _, equals in groupby(ranges, key=lambda item: item.q):
        alike = list(equals)
        for item in alike:
            if item.transfer_syntax in ("*", stored):
                return stored
        for item in alike:
            if item.transfer_syntax is None:
                return EXPLICIT_VR_LITTLE_ENDIAN if decodable and stored not in LOSSY else stored
            if item.transfer_syntax in TARGETS and decodable:
                return item.transfer_syntax
    return None
