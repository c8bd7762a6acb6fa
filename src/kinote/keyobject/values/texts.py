"""Rules for text in values (PS3.5 table 6.2-1): length in characters, and characters."""

from __future__ import annotations

import re

from kinote.dicom.values.person_names import has_surplus

#: The maximum length in characters of a value, or of a component group of a name.
_LONGEST = {"LO": 64, "SH": 16, "PN": 64}

#: UT allows line ends, tabs and form feeds; no other representation allows control characters.
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_CONTROL_IN_UT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

#: The longest value that a 16-bit length in Explicit VR allows (PS3.5 7.1.2), in bytes.
LONGEST_SHORT_VALUE = 65534


def problem_with(vr: str, text: str) -> str | None:
    """Return why text cannot be a value of LO, SH, PN or UT; None if it can be, and reads back the same."""
    if _SURROGATE.search(text):
        return "has a character that cannot be encoded"
    if vr == "UT":
        if _CONTROL_IN_UT.search(text):
            return "has control characters"
        return "ends with spaces, which DICOM does not keep" if text.endswith(" ") else None
    if _CONTROL.search(text):
        return "has control characters"
    if "\\" in text:
        return "has a backslash, which separates values in DICOM"
    if text.strip(" ") != text:
        return "begins or ends with spaces, which DICOM does not keep"
    parts = text.split("=") if vr == "PN" else [text]
    if vr == "PN" and has_surplus(text):
        return "has more than three component groups, or more than five components in one"
    if max(len(part) for part in parts) > _LONGEST[vr]:
        return f"is longer than {_LONGEST[vr]} characters"
    return None


def fitted(vr: str, text: str) -> str:
    """Fit text to LO, SH or UT: replace characters that are not allowed by spaces, and cut what is too long."""
    text = _SURROGATE.sub(" ", text)
    if vr == "UT":
        return _CONTROL_IN_UT.sub(" ", text).rstrip(" ")
    return _CONTROL.sub(" ", text).replace("\\", " ").strip(" ")[: _LONGEST[vr]].strip(" ")


def problem_with_copy(text: str) -> str | None:
    """Return why an attribute of a received study cannot be copied as it is: only if it cannot be encoded at all."""
    if _SURROGATE.search(text):
        return "has a character that cannot be encoded"
    # A character takes at most four bytes, so short text need not be encoded to know that it fits.
    if len(text) * 4 > LONGEST_SHORT_VALUE and len(text.encode()) > LONGEST_SHORT_VALUE:
        return f"is longer than {LONGEST_SHORT_VALUE} bytes"
    return None
