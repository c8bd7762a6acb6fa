"""Attributes of answers in the representations of the dictionary (PS3.6), whatever an object has written."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR

from kinote.dicom.dictionary.value_representations import BINARY, NUMBERS, implicit_vr
from kinote.dicom.json.from_elements import attribute_json, values_json
from kinote.dicom.values.person_names import joined_groups


@lru_cache(maxsize=16_384)
def _representations(tag: str) -> tuple[str, ...]:
    """Return the representations of an attribute in the dictionary; none if it is unknown."""
    number = int(tag, 16)
    try:
        names = dictionary_VR(number) if not number >> 16 & 1 else "UN"
    except KeyError:
        return ()
    return () if names == "UN" else tuple(names.split(" or "))


def in_dictionary_vr(line: str) -> str:
    """Return an attribute (`attribute_lines`) in its representation of the dictionary.

    Its value is kept as far as the representation can have it. Binary values, and sequences that are none or should be
    one, become empty.
    """
    known = _representations(line[1:9])
    if not known or line[18:20] in known:
        return line
    attribute = json.loads(line[11:])
    vr = implicit_vr(int(line[1:9], 16))
    return f"{line[:11]}{attribute_json(vr, _values(attribute, vr))}"


def _values(attribute: dict[str, Any], vr: str) -> list[str]:
    if vr in BINARY or "SQ" in (vr, attribute["vr"]):
        return []
    try:
        return values_json(vr, "\\".join([_text(value) for value in attribute.get("Value", ())]))
    except ValueError:
        # A text where a number belongs.
        assert vr in NUMBERS or vr == "AT"
        return []


def _text(value: object) -> str:
    if value is None:
        return ""
    return joined_groups(value) if isinstance(value, dict) else str(value)
