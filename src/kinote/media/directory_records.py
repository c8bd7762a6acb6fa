"""The keys of one directory record, taken from the object that it describes (PS3.3 F.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.dictionary.value_representations import NUMBERS
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.json.to_elements import ElementEncoder
from kinote.dicom.values.character_sets import ESCAPE
from kinote.media.record_types import Key, RecordType

_ENCODER = ElementEncoder(EXPLICIT_VR_LITTLE_ENDIAN, "ascii")

#: Value representations whose values are padded with a NUL.
_NUL_PADDED = frozenset({"UI", "OB", "UN"})

#: The longest value that a key takes, in bytes; a longer one is left out of a record, or synthesized.
_LONGEST = 16 * 1024

#: Documents whose Content Sequence is in the record with its modifiers of the title alone (F.5.25, F.5.26).
_MODIFIERS_ONLY = "HAS CONCEPT MOD"

#: Where else an object has a date or a time, the nearest to those of the study first.
_DATE_TAGS = (0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x00700082, 0x30060008, 0x00080012)
_TIME_TAGS = (0x00080030, 0x00080031, 0x00080032, 0x00080033, 0x00700083, 0x30060009, 0x00080013)

#: Type 1 values that stand in where an object has none and there is nothing to take them from.
_STAND_INS: Mapping[str, str] = {
    "Modality": "OT",
    "CompletionFlag": "PARTIAL",
    "VerificationFlag": "UNVERIFIED",
    "ContentLabel": "UNNAMED",
    "RTPlanLabel": "UNNAMED",
    "StructureSetLabel": "UNNAMED",
    "MIMETypeOfEncapsulatedDocument": "application/octet-stream",
    "ImageType": "DERIVED\\SECONDARY",
    "DoseSummationType": "PLAN",
}

#: A code that says that nothing is known (CID 5001 of SNOMED CT has it): of documents without a title.
_UNKNOWN_CODE = (("CodeValue", "261665006"), ("CodingSchemeDesignator", "SCT"), ("CodeMeaning", "Unknown"))
_CODE_TAGS = {"CodeValue": (0x00080100, "SH"), "CodingSchemeDesignator": (0x00080102, "SH")}
_CODE_TAGS["CodeMeaning"] = (0x00080104, "LO")


class NoRecordError(ValueError):
    """An object has not what a record of its type must say, and nothing can stand in for it; the message names it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a record, encoded, and the keywords of those whose values are synthesized, with the values."""

    encoded: bytes
    synthesized: tuple[tuple[str, str], ...]


def keys_of(
    kind: RecordType, header: DataSet, given: Mapping[str, str], today: str, ordinals: Callable[[str], str]
) -> Keys:
    """Return the keys of a record of this type for an object.

    `given` has values that are known already, by keyword: they count, whatever the object says. `today` stands in for
    dates that the object lacks (`YYYYMMDD`), and `ordinals` gives a number or an identifier by the keyword of the key.
    Raises `NoRecordError`.
    """
    made: list[tuple[int, bytes]] = []
    synthesized: list[tuple[str, str]] = []
    needs_characters = False
    for key in kind.keys:
        if key.keyword in given:
            value: bytes | None = _padded(key.vr, given[key.keyword].encode("ascii", "replace"))
        else:
            value = _value(key, header, kind.name)
        if value and key.vr in _OLD_FORMS and (todays := _in_todays_form(key.vr, value)) is not None:
            value = todays
            synthesized.append((key.keyword, value.decode("ascii").rstrip()))
        if not value and key.type == "1":
            said, value = _synthesized(key, header, today, ordinals)
            synthesized.append((key.keyword, said))
        if value is None or (not value and key.type in ("1C", "3")):
            if key.type != "2":
                continue
            value = b""
        needs_characters = needs_characters or not value.isascii() or ESCAPE in value
        made.append((key.tag, _ENCODER.element(key.tag, key.vr, value)))
    characters = header.raw(tags.SPECIFIC_CHARACTER_SET)
    if needs_characters and characters:
        made.append(
            (
                tags.SPECIFIC_CHARACTER_SET,
                _ENCODER.element(tags.SPECIFIC_CHARACTER_SET, "CS", _padded("CS", characters)),
            )
        )
    made.sort()
    return Keys(b"".join([element for _, element in made]), tuple(synthesized))


def _value(key: Key, header: DataSet, record: str) -> bytes | None:
    """Return the value of a key in explicit little endian; None if the object has none, or one that is too long."""
    if key.vr != "SQ":
        return _plain_value(key.tag, key.vr, header)
    items = header.items(key.tag)
    if record in ("SR DOCUMENT", "KEY OBJECT DOC") and key.tag == tags.CONTENT_SEQUENCE:
        items = tuple(each for each in items if each.text(tags.RELATIONSHIP_TYPE) == _MODIFIERS_ONLY)
    encoded = b"".join([_item(each) for each in items])
    return encoded if len(encoded) <= _LONGEST or record != "IMAGE" else None


def _plain_value(tag: int, vr: str, level: DataSet) -> bytes | None:
    raw = level.raw(tag)
    if raw is None or len(raw) > _LONGEST:
        return None
    if level.encoding.order == ">" and vr in NUMBERS:
        size = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8}[vr]
        raw = b"".join([raw[at : at + size][::-1] for at in range(0, len(raw), size)])
    elif vr not in NUMBERS:
        # Blanks alone are no value.
        raw = raw.rstrip(b" \0")
    return _padded(vr, raw)


def _item(level: DataSet) -> bytes:
    """Return an item with all of its standard elements, in explicit little endian."""
    parts: list[bytes] = []
    for tag in sorted(level):
        vr = level.vr(tag)
        if vr is None or tag >> 16 & 1:
            continue
        if vr == "SQ":
            value: bytes | None = b"".join([_item(each) for each in level.items(tag)])
        else:
            value = _plain_value(tag, vr, level)
        if value is not None:
            parts.append(_ENCODER.element(tag, vr, value))
    return _ENCODER.item(b"".join(parts))


#: Dates and times as ACR-NEMA wrote them: PS3.5 6.2 forbids new ones.
_OLD_FORMS: Mapping[str, re.Pattern[bytes]] = {
    "DA": re.compile(rb"(\d{4})\.(\d\d)\.(\d\d) *"),
    "TM": re.compile(rb"(\d\d):(\d\d)(?::(\d\d(?:\.\d{1,6})?))? *"),
}


def _in_todays_form(vr: str, value: bytes) -> bytes | None:
    """Return a date or time of the old form in today's; None if it is none."""
    found = _OLD_FORMS[vr].fullmatch(value)
    return None if found is None else _padded(vr, b"".join(filter(None, found.groups())))


def _padded(vr: str, value: bytes) -> bytes:
    return value + (b"\0" if vr in _NUL_PADDED else b" ") if len(value) & 1 else value


def _synthesized(key: Key, header: DataSet, today: str, ordinals: Callable[[str], str]) -> tuple[str, bytes]:
    """Return what stands in for a missing value of type 1, in words and encoded."""
    if key.vr == "DA":
        said = next(_digits(header, _DATE_TAGS, 8), today)
    elif key.vr == "TM":
        said = next(_digits(header, _TIME_TAGS, 6), "000000")
    elif key.keyword == "ConceptNameCodeSequence":
        parts = [
            _ENCODER.element(tag, vr, _padded(vr, value.encode()))
            for name, value in _UNKNOWN_CODE
            for tag, vr in [_CODE_TAGS[name]]
        ]
        return "Unknown", _ENCODER.item(b"".join(parts))
    elif key.keyword in _STAND_INS:
        said = _STAND_INS[key.keyword]
    elif key.vr in ("IS", "SH", "LO", "UI") and key.keyword != "HangingProtocolName":
        said = ordinals(key.keyword)
    else:
        raise NoRecordError(key.keyword)
    return said, _padded(key.vr, said.encode("ascii"))


def _digits(header: DataSet, wanted: tuple[int, ...], most: int) -> Iterator[str]:
    """Yield the dates or times that an object has, as digits."""
    for tag in wanted:
        found = (header.text(tag) or "").strip()[:most]
        if len(found) == most and found.isdigit():
            yield found
