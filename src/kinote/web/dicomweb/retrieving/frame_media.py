"""Media types of frames (PS3.18 Table 8.7.3-5): of a stored frame, and of the response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from kinote.decoding.frame_decoder import can_decode
from kinote.dicom.dictionary import transfer_syntaxes
from kinote.dicom.dictionary.transfer_syntaxes import ENCAPSULATED_UNCOMPRESSED, EXPLICIT_VR_LITTLE_ENDIAN
from kinote.web.bodies.negotiation import MediaType

OCTETS = "application/octet-stream"

_JPEG = "1.2.840.10008.1.2.4."
#: The media type of the frames of each compressed transfer syntax.
STORED_AS = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **{_JPEG + last: "image/jpeg" for last in ("50", "51", "57", "70")},
    **{_JPEG + last: "image/jls" for last in ("80", "81")},
    **{_JPEG + last: "image/jp2" for last in ("90", "91")},
    **{_JPEG + last: "image/jpx" for last in ("92", "93")},
    **{_JPEG + last: "image/jphc" for last in ("201", "202", "203")},
    **{_JPEG + last: "image/jxl" for last in ("110", "111", "112")},
    **{_JPEG + last: "video/mpeg" for last in ("100", "100.1", "101", "101.1")},
    **{
        _JPEG + last: "video/mp4"
        for last in (
            "102",
            "102.1",
            "103",
            "103.1",
            "104",
            "104.1",
            "105",
            "105.1",
            "106",
            "106.1",
            "107",
            "108",
        )
    },
}

_DEFAULTS = {
    OCTETS: EXPLICIT_VR_LITTLE_ENDIAN,
    "image/jpeg": _JPEG + "70",
    "image/jls": _JPEG + "80",
    "image/jp2": _JPEG + "90",
    "image/jpx": _JPEG + "92",
    "image/jphc": _JPEG + "201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}

#: Names of earlier editions, which clients still send.
_OLD_NAMES = {
    "image/x-dicom-rle": "image/dicom-rle",
    "image/x-jls": "image/jls",
    "image/dicom+jls": "image/jls",
    "image/dicom+jp2": "image/jp2",
    "image/dicom+jpeg": "image/jpeg",
    "image/dicom+jpx": "image/jpx",
    "image/jph": "image/jphc",
}


@dataclass(frozen=True, slots=True)
class FrameForm:
    """The form in which frames are sent. With `decoded`, compressed ones become plain samples in little endian."""

    media_type: str
    transfer_syntax_uid: str
    decoded: bool

    @property
    def content_type(self) -> str:
        return f"{self.media_type};transfer-syntax={self.transfer_syntax_uid}"


def as_stored(transfer_syntax_uid: str) -> FrameForm:
    """Return the form of frames without decoding. Uncompressed ones are plain samples."""
    syntax = transfer_syntaxes.lookup(transfer_syntax_uid)
    if not syntax.encapsulated or transfer_syntax_uid == ENCAPSULATED_UNCOMPRESSED:
        return FrameForm(OCTETS, EXPLICIT_VR_LITTLE_ENDIAN, decoded=False)
    return FrameForm(STORED_AS.get(transfer_syntax_uid, OCTETS), transfer_syntax_uid, decoded=False)


def frame_form(transfer_syntax_uid: str, ranges: Sequence[MediaType]) -> FrameForm | None:
    """Return the form for frames stored in this transfer syntax; None if no range can be satisfied.

    Among ranges of the same weight, those that accept the stored form come first.
    """
    stored = as_stored(transfer_syntax_uid)
    for _, equals in groupby(ranges, key=lambda item: item.q):
        alike = list(equals)
        if any(_takes_stored(item, stored) for item in alike):
            return stored
        if any(_takes_decoded(item) for item in alike) and can_decode(
            transfer_syntaxes.lookup(transfer_syntax_uid)
        ):
            return FrameForm(OCTETS, EXPLICIT_VR_LITTLE_ENDIAN, decoded=True)
    return None


def _takes_stored(wanted: MediaType, stored: FrameForm) -> bool:
    if wanted.transfer_syntax not in (None, "*", stored.transfer_syntax_uid):
        return False
    name = _OLD_NAMES.get(wanted.name, wanted.name)
    if name == OCTETS:
        # Octets in any transfer syntax, or in this one: clients mean the stored bytes.
        return stored.media_type == OCTETS or wanted.transfer_syntax is not None
    return name == stored.media_type or (wanted.subtype == "*" and wanted.takes(stored.media_type))


def _takes_decoded(wanted: MediaType) -> bool:
    return wanted.takes(OCTETS) and wanted.transfer_syntax in (None, EXPLICIT_VR_LITTLE_ENDIAN)


def default_transfer_syntax(media_type: MediaType) -> str | None:
    """Return the transfer syntax of pixel data in a part: the one it names, else the default of its media type (PS3.18
    Table 8.7.3-5); None if there is none.
    """
    if media_type.transfer_syntax not in (None, "*"):
        return media_type.transfer_syntax
    return _DEFAULTS.get(_OLD_NAMES.get(media_type.name, media_type.name))
