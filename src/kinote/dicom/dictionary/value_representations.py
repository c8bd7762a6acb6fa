"""Value representations (PS3.5 6.2), and which of them the dictionary has for a tag (PS3.6)."""

from __future__ import annotations

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR

#: Representations whose length takes 16 bits in explicit data sets (PS3.5 7.1.2), as they stand in bytes.
SHORT = frozenset(
    {
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    }
)
#: Those whose length takes 32 bits.
LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
#: Those without an inner structure that Kinote reads.
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
BINARY_BYTES = frozenset(vr.encode() for vr in BINARY)
#: Letters by bytes.
NAMES = {vr: vr.decode() for vr in SHORT | LONG}
#: Numbers, by the `struct` format of one value.
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
#: Text in the default repertoire, whatever the Specific Character Set.
PLAIN_TEXT = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
#: Text that is one value, in which a backslash is a backslash and leading spaces count.
SINGLE_VALUE = frozenset({"LT", "ST", "UT", "UR"})

#: Attributes that are sequences by the dictionary: what implicit data sets leave unsaid.
SEQUENCES = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
#: Attributes whose numbers are signed or not by Pixel Representation.
SIGNED_BY_PIXELS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "US or SS")


@lru_cache(maxsize=16_384)
def implicit_vr(tag: int) -> str:
    """The representation the dictionary has for a tag, UN if it has none (PS3.5 A.1 where it has several)."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return "OW" if vr == "OB or OW" else vr[:2]
