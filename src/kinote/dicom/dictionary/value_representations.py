"""Value representations (PS3.5 6.2), and the representation of each tag in the dictionary (PS3.6)."""

from __future__ import annotations

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR

#: Representations with a 16-bit length in explicit data sets (PS3.5 7.1.2), as bytes.
SHORT = frozenset(
    {
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    }
)
#: Representations with a 32-bit length.
LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
#: Representations without an inner structure that Kinote reads.
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
BINARY_BYTES = frozenset(vr.encode() for vr in BINARY)
#: Representations as text, by their bytes.
NAMES = {vr: vr.decode() for vr in SHORT | LONG}
#: Representations of binary numbers, with the `struct` format of one value.
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
#: Text representations that always use the default repertoire, whatever the Specific Character Set is.
PLAIN_TEXT = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
#: Text representations with a single value: a backslash is a backslash there, and leading spaces count.
SINGLE_VALUE = frozenset({"LT", "ST", "UT", "UR"})

#: Attributes that are sequences by the dictionary, since implicit data sets do not say so.
SEQUENCES = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
#: Attributes whose numbers are signed or unsigned as Pixel Representation says.
SIGNED_BY_PIXELS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "US or SS")


@lru_cache(maxsize=16_384)
def implicit_vr(tag: int) -> str:
    """Return the representation of a tag in the dictionary (PS3.5 A.1 if it has several), or UN if the tag is
    unknown."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return "OW" if vr == "OB or OW" else vr[:2]
