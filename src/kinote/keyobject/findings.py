"""What can be off in a received key object: one table of stable codes.

Each finding has a code, a severity, the place (tag path and item) and one sentence for an administrator.
docs/findings.md explains each; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something off in a received object."""

    code: str
    severity: Severity
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a finding rests on, and its sentence; `{}` takes what was found."""

    severity: Severity
    source: str
    sentence: str


RULES: dict[str, Rule] = {
    "NOT_READABLE": Rule("error", "PS3.5 7", "The data set cannot be read: {}"),
    "NOT_A_KEY_OBJECT": Rule("error", "PS3.4 B.5", "This is no Key Object Selection document."),
    "TOO_DEEP": Rule("error", "TID 2010", "Content is nested deeper than 16 levels; a key object has two."),
    "TOO_LARGE": Rule("error", "Kinote", "The key object is larger than Kinote reads: {}"),
    "NO_REFERENCES": Rule("error", "TID 2010 rows 8-10", "Nothing is referenced, so nothing can be flagged."),
    "ALL_REFERENCES_BROKEN": Rule("error", "PS3.3 C.18.3", "No reference names a usable SOP Instance UID."),
    "NO_PATIENT": Rule("warning", "PS3.3 C.7.1.1", "The patient has no ID."),
    "CONTENT_REFS_MISSING": Rule(
        "warning", "TID 2010 rows 8-10", "The content names no images; those of the evidence are taken."
    ),
    "REFS_IN_IMAGE_LIBRARY": Rule(
        "warning", "TID 1600", "Only nested containers name images; those are taken."
    ),
    "EVIDENCE_MISSING": Rule(
        "warning", "PS3.3 C.17.6.2", "The evidence sequence is missing; studies are looked up in the index."
    ),
    "REF_NOT_IN_EVIDENCE": Rule("warning", "PS3.3 C.17.6.2", "{} flagged instances are not in the evidence."),
    "EVIDENCE_EXTRA": Rule("info", "PS3.3 C.17.6.2", "{} instances are in the evidence but not flagged."),
    "TEMPLATE": Rule("warning", "PS3.3 C.18.8", "The template is not given as DCMR 2010."),
    "TITLE_MISSING": Rule("warning", "TID 2010 row 1", "There is no document title; the note is untitled."),
    "TITLE_SEVERAL": Rule("warning", "PS3.3 8.8", "The title has several codes; the first one counts."),
    "TITLE_MEANING_MISSING": Rule(
        "warning", "PS3.3 8.3", "The title has no meaning; the dictionary's is shown."
    ),
    "TITLE_MEANING_MISMATCH": Rule("warning", "CID 7010", "The title says {}; the code decides."),
    "TITLE_SCHEME": Rule("warning", "PS3.16 8", "The title's coding scheme is written {}; DCM is meant."),
    "MODIFIER_MISSING": Rule("warning", "TID 2010 row 4", "Best In Set says not which set (CID 7012)."),
    "MODIFIER_FOREIGN": Rule(
        "warning", "TID 2010 rows 3-4", "The title modifier {} is not of its context group."
    ),
    "FRAME_INVALID": Rule("warning", "PS3.3 C.18.4", "Frame numbers below 1 are left out."),
    "FRAMES_ON_SINGLE_FRAME": Rule(
        "warning", "PS3.3 C.18.4", "Frame numbers are given for single-frame images."
    ),
    "FRAME_NOT_THERE": Rule(
        "warning", "PS3.3 C.18.4", "Frame numbers are left out: the image has frames 1 to {}."
    ),
    "CROSS_PATIENT": Rule(
        "warning",
        "PS3.3 C.17.6.2",
        "An image of another patient is referenced; that reference has no effect.",
    ),
    "FRAMES_IN_EVIDENCE": Rule(
        "warning", "PS3.3 C.17.2.3", "Frame numbers stand in the evidence; they are used."
    ),
    "REF_CLASS_MISMATCH": Rule(
        "warning", "PS3.3 C.17.2.3", "Content and evidence give different SOP classes; the index decides."
    ),
    "REF_CLASS_MISSING": Rule("warning", "PS3.3 C.18.3", "A reference has no SOP class."),
    "REF_BROKEN": Rule("warning", "PS3.3 C.18.3", "{} references have no usable SOP Instance UID."),
    "REF_UID_MALFORMED": Rule("warning", "PS3.5 9.1", "A referenced UID is malformed: {}"),
    "REF_STUDY_MISSING": Rule("warning", "PS3.3 C.17.2.1", "The evidence names no study; it is looked up."),
    "REF_DUPLICATE": Rule("info", "TID 2010", "{} references repeat an earlier one and are shown once."),
    "REF_SEVERAL_SERIES": Rule("warning", "PS3.3 C.17.2.1", "An instance is listed under two series."),
    "REF_SELF": Rule("warning", "TID 2010", "The key object references itself."),
    "NO_IDENTICAL_DOCUMENTS": Rule(
        "warning", "PS3.3 C.17.6.2.1", "Several studies are referenced, and no identical documents are named."
    ),
    "VALUE_TYPE_MISMATCH": Rule(
        "info", "TID 2010 rows 8-10", "Content items are of another type than their class."
    ),
    "PURPOSE_OF_REFERENCE": Rule(
        "info", "TID 2010 rows 8-10", "References carry a concept name, which is forbidden."
    ),
    "ROOT_INCOMPLETE": Rule("warning", "PS3.3 C.17.3", "The root lacks value type or continuity of content."),
    "RELATIONSHIP_MISSING": Rule(
        "warning", "PS3.3 C.17.3", "Content items lack a relationship; CONTAINS is assumed."
    ),
    "BY_REFERENCE": Rule(
        "warning", "PS3.3 A.35.4.3.1", "By-reference items are ignored; they are forbidden here."
    ),
    "ITEM_IGNORED": Rule("warning", "PS3.3 A.35.4.3.1", "Content items of type {} are ignored."),
    "DESCRIPTION_CONCEPT": Rule("warning", "TID 2010 row 7", "The description stands under another concept."),
    "DESCRIPTION_SEVERAL": Rule(
        "warning", "TID 2010 row 7", "There are several descriptions; all are shown."
    ),
    "DESCRIPTION_EMPTY": Rule("warning", "PS3.3 C.18.1", "The description is empty."),
    "MODALITY": Rule("warning", "PS3.3 C.17.6.1", "The modality is {} and not KO."),
    "CONTENT_DATE_TIME": Rule(
        "warning", "PS3.3 C.17.6.2", "Content date or time is missing or malformed: {}"
    ),
    "TIMEZONE": Rule("warning", "PS3.3 C.12.1.1.8", "The timezone offset is malformed: {}"),
    "TYPE_1_MISSING": Rule("warning", "PS3.3 A.35.4", "{} is missing."),
    "CHARACTER_SET": Rule(
        "warning", "PS3.3 C.12.1.1.2", "Text is not in the declared character set; it was guessed."
    ),
    "CODE_VALUE_LONG": Rule("warning", "PS3.3 8.1", "A code value is longer than 16 characters."),
    "FOREIGN_ATTRIBUTES": Rule("info", "PS3.3 A.35.4", "There are attributes of other document kinds: {}"),
    "IDENTICAL_LISTS_SELF": Rule(
        "warning", "PS3.3 C.17.6.2.1", "The document lists itself as its identical copy."
    ),
}


def found(code: str, place: str = "", detail: object = "") -> Finding:
    """A finding by its code; `place` is where, `detail` goes into its sentence."""
    rule = RULES[code]
    return Finding(code, rule.severity, place, rule.sentence.format(detail))
