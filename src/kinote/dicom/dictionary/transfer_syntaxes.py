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

_NATIVE = {IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN}
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


@lru_cache(maxsize=512)
def lookup(uid: str) -> TransferSyntax:
    """Return the properties of a transfer syntax UID, whether it is known or not."""
    return TransferSyntax(
        uid=uid,
        name=UID(uid).name if uid in UID_dictionary else f"transfer syntax {uid}",
        explicit=uid != IMPLICIT_VR_LITTLE_ENDIAN,
        little_endian=uid != EXPLICIT_VR_BIG_ENDIAN,
        deflated=uid in _DEFLATED,
        encapsulated=uid not in _NATIVE and uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    )
