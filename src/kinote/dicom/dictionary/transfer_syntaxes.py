"""Transfer syntaxes (PS3.5 section 10), with the properties that Kinote needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPIP_REFERENCED_DEFLATE = "1.2.840.10008.1.2.4.95"
JPIP_HTJ2K_REFERENCED_DEFLATE = "1.2.840.10008.1.2.4.205"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_IMAGE_FRAME = "1.2.840.10008.1.2.8.1"

#: Of GE, and not in the standard: implicit little endian, with pixel data in big endian. DCMTK and GDCM read it too.
GE_PRIVATE_IMPLICIT = "1.2.840.113619.5.2"

_IMPLICIT = {IMPLICIT_VR_LITTLE_ENDIAN, GE_PRIVATE_IMPLICIT}
_NATIVE = {*_IMPLICIT, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN}

#: Those of which frames have been, or may have been, compressed with loss, and the value of Lossy Image Compression
#: Method for each (PS3.3 C.7.6.1.1.5.1).
LOSSY = {
    **{f"1.2.840.10008.1.2.4.{last}": "ISO_10918_1" for last in ("50", "51", "53", "55")},
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    **{f"1.2.840.10008.1.2.4.{last}": "ISO_15444_1" for last in ("91", "93")},
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
    **{f"1.2.840.10008.1.2.4.{last}": "ISO_18181_1" for last in ("111", "112")},
}

#: Names that pydicom's dictionary lacks.
_NAMES = {
    DEFLATED_IMAGE_FRAME: "Deflated Image Frame Compression",
    GE_PRIVATE_IMPLICIT: "GE Private Implicit VR Little Endian with Big Endian Pixel Data",
}

#: Transfer syntaxes in which the whole data set is deflated (PS3.5 annex A). The pixels of the JPIP ones are stored
#: elsewhere, so they are never native.
_DEFLATED = {
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    JPIP_REFERENCED_DEFLATE,
    JPIP_HTJ2K_REFERENCED_DEFLATE,
}


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set is encoded.

    An unknown UID is taken for explicit little endian with encapsulated pixel data, like all syntaxes of the last
    decades.
    """

    uid: str
    name: str
    explicit: bool
    little_endian: bool
    deflated: bool
    encapsulated: bool
    #: Whether the samples of native pixel data are; all but one syntax have them as everything else.
    little_endian_pixels: bool


def is_known(uid: str) -> bool:
    """Return whether this is the UID of a transfer syntax of the standard."""
    return uid in _NAMES or (uid in UID_dictionary and UID(uid).type == "Transfer Syntax")


@lru_cache(maxsize=512)
def lookup(uid: str) -> TransferSyntax:
    """Return the properties of a transfer syntax UID, whether it is known or not."""
    return TransferSyntax(
        uid=uid,
        name=_NAMES.get(uid) or (UID(uid).name if uid in UID_dictionary else f"transfer syntax {uid}"),
        explicit=uid not in _IMPLICIT,
        little_endian=uid != EXPLICIT_VR_BIG_ENDIAN,
        deflated=uid in _DEFLATED,
        encapsulated=uid not in _NATIVE and uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        little_endian_pixels=uid not in (EXPLICIT_VR_BIG_ENDIAN, GE_PRIVATE_IMPLICIT),
    )


def known_syntaxes() -> tuple[str, ...]:
    """Return the UIDs of the transfer syntaxes of PS3.6, in the order of that table."""
    return tuple(uid for uid, (_, kind, *_rest) in UID_dictionary.items() if kind == "Transfer Syntax")
