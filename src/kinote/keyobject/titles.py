"""Document titles of key objects: CID 7010 in groups, and the modifiers of each title.

Titles are compared by value and scheme, never by meaning. CID 7010 is extensible: a private title is conformant,
and shown under its own meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kinote.keyobject.codes import Code, dcm
from kinote.keyobject.values.context_groups import CID_7010, CID_7011, CID_7012, CID_7031


class TitleGroup(StrEnum):
    """The purpose of a title, which decides what it may do in Kinote."""

    CLINICAL = "clinical"
    #: Acts of removal (IHE IOCM), never shown as key images.
    REJECTION = "rejection"
    #: Lists of instances: registered, not shown as marks.
    MANIFEST = "manifest"
    EXPORT = "export"
    RADIOTHERAPY = "radiotherapy"
    VIDEO = "video"
    OTHER = "other"


#: CID 7010 in its order.
TITLES = tuple(dcm(value, meaning) for value, meaning, _ in CID_7010)
QUALITY_REASONS = tuple(dcm(value, meaning) for value, meaning in CID_7011)
BEST_IN_SET_OF = tuple(dcm(value, meaning) for value, meaning in CID_7012)
REMOVAL_REASONS = tuple(dcm(value, meaning) for value, meaning in CID_7031)

OF_INTEREST = dcm("113000", "Of Interest")
REJECTED_FOR_QUALITY_REASONS = dcm("113001", "Rejected for Quality Reasons")
REJECTED_FOR_PATIENT_SAFETY_REASONS = dcm("113037", "Rejected for Patient Safety Reasons")
INCORRECT_MODALITY_WORKLIST_ENTRY = dcm("113038", "Incorrect Modality Worklist Entry")
DATA_RETENTION_POLICY_EXPIRED = dcm("113039", "Data Retention Policy Expired")
QUALITY_ISSUE = dcm("113010", "Quality Issue")
BEST_IN_SET = dcm("113013", "Best In Set")
REPLACED_BY_ALTERNATE = dcm("130754", "Replaced by Alternate Representation")

#: Titles of the trial of IHE MADO in 2026; the final DCM code is not assigned yet (CP-2595).
MANIFEST_WITH_DESCRIPTION = Code("MADOTEMP001", "99IHE", "Manifest with Description")

_GROUPS = {dcm(value, meaning): TitleGroup[group] for value, meaning, group in CID_7010} | {
    MANIFEST_WITH_DESCRIPTION: TitleGroup.MANIFEST
}

#: Titles with the same purpose in other schemes: IHE Teaching File and Clinical Trial Export.
_ALIASES = {
    Code("TCE001", "IHERADTF"): dcm("128710", "For Teaching File Export"),
    Code("TCE002", "IHERADTF"): dcm("128711", "For Clinical Trial Export"),
    Code("TCE007", "IHERADTF"): dcm("128713", "For Research Collection Export"),
}

_KNOWN = {code: code for code in (*TITLES, *QUALITY_REASONS, *BEST_IN_SET_OF, *REMOVAL_REASONS)}

#: Those known by scheme and the words of their meaning; two codes may share a meaning.
_BY_MEANING: dict[tuple[str, tuple[str, ...]], list[Code]] = {}
for _code in _KNOWN:
    _BY_MEANING.setdefault((_code.scheme, tuple(_code.meaning.casefold().split())), []).append(_code)

_HOT_KEYS = {"113000": "i", "113003": "s", "113004": "t", "113002": "r", "113005": "c", "113020": "a"}

#: Titles that a person can give to a note. All others are acts of their own, or made by machines.
MAKEABLE_GROUPS = frozenset({TitleGroup.CLINICAL, TitleGroup.EXPORT, TitleGroup.OTHER})


@dataclass(frozen=True, slots=True)
class ModifierRule:
    """The Document Title Modifiers that a title takes (TID 2010 rows 3 and 4)."""

    context_group: str
    mandatory: bool
    codes: tuple[Code, ...]


_MODIFIERS = {
    REJECTED_FOR_QUALITY_REASONS: ModifierRule("7011", False, QUALITY_REASONS),
    QUALITY_ISSUE: ModifierRule("7011", False, QUALITY_REASONS),
    BEST_IN_SET: ModifierRule("7012", True, BEST_IN_SET_OF),
}


def canonical(code: Code) -> Code:
    """Return a title as CID 7010 has it: aliases of other schemes resolved, the scheme "DICOM" read as DCM."""
    if code.scheme.strip().upper() == "DICOM" and Code(code.value, "DCM") in _KNOWN:
        return _KNOWN[Code(code.value, "DCM")]
    return _ALIASES.get(code, code)


def title_group(code: Code) -> TitleGroup:
    """Return the group of a title. A rejection must have the right value and scheme DCM as written, since a guess
    must have no effect."""
    group = _GROUPS.get(code)
    if group is not None:
        return group
    group = _GROUPS.get(canonical(code), TitleGroup.OTHER)
    return TitleGroup.OTHER if group is TitleGroup.REJECTION else group


def standard_meaning(code: Code) -> str | None:
    """Return the meaning of a code in PS3.16; None if it is not one of these titles."""
    known = _KNOWN.get(code)
    return known.meaning if known else None


def has_standard_meaning(code: Code) -> bool:
    """Return whether a code has its meaning in PS3.16, ignoring case. True for other codes."""
    standard = standard_meaning(code)
    return standard is None or _words(standard) == _words(code.meaning)


def means_another(code: Code) -> bool:
    """Return whether the meaning given with a code is that of another code of its scheme in PS3.16.

    Any other meaning may be the right one in another language, or in other words (PS3.3 8.3).
    """
    if has_standard_meaning(code):
        return False
    words = tuple(_words(code.meaning))
    return any(other != code for other in _BY_MEANING.get((code.scheme, words), ()))


def _words(meaning: str) -> list[str]:
    return meaning.casefold().split()


def modifiers_for(title: Code) -> ModifierRule | None:
    """Return the rule for the modifiers of a title; None if TID 2010 has none for it."""
    return _MODIFIERS.get(canonical(title))


def hot_key(title: Code) -> str | None:
    """Return the key that selects a title in the viewer."""
    return _HOT_KEYS.get(title.value) if title.scheme == "DCM" else None
