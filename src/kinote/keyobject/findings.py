"""Everything that can be wrong with a received key object: one table of stable codes.

Each finding has a code, a severity, the place (attribute path, items counted from 1) and one sentence for an
administrator. docs/findings.md explains each; a test keeps table and page in agreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem in a received object."""

    code: str
    severity: Severity
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """The source of a finding and its sentence. Details replace `{}` in the sentence.

    An `error` makes the object unreadable: it flags nothing. A `warning` is a deviation from the standard that the
    reader works around. An `info` is legal or has no effect.
    """

    severity: Severity
    source: str
    sentence: str


def _error(source: str, sentence: str) -> Rule:
    return Rule("error", source, sentence)


def _warning(source: str, sentence: str) -> Rule:
    return Rule("warning", source, sentence)


def _info(source: str, sentence: str) -> Rule:
    return Rule("info", source, sentence)


RULES: dict[str, Rule] = {
    # An object of any kind compared with the others of its study (`kinote.lifecycle.findings.differing`).
    "STUDY_DIFFERS": _warning(
        "PS3.3 A.1.2", "It says of its patient or study what other instances do not: {}."
    ),
    "SERIES_DIFFERS": _info("PS3.3 A.1.2", "It says of its series what other instances do not: {}."),
    # An image by itself: told when it is asked about (`kinote.web.api.picture_findings`).
    "PICTURE_LABEL": _warning("PS3.3 C.7.6.3.1.2", "Its pixels are not as they are labelled: {}."),
    # Values of a study that key objects made here do not copy (`kinote.lifecycle.findings.malformed_studies`).
    "STUDY_VALUE_MALFORMED": _warning(
        "PS3.5 6.2", "Its study has a value that key objects made here do not copy: {}."
    ),
    # What a rejection note names, compared with what is here (`kinote.lifecycle.rejection`).
    "REJECTION_FOREIGN": _warning(
        "Kinote", "It rejects instances of another patient, on which it has no effect: {}."
    ),
    "REJECTION_DISPUTED": _warning(
        "PS3.3 C.17.6.2",
        "Content and evidence do not both name what may be deleted, so it has no effect there: {}.",
    ),
    "REJECTION_ON_HOLD": _info("Kinote", "It has no effect on what was on hold when it came: {}."),
    "REJECTION_OF_REJECTION": _info(
        "Kinote", "It rejects rejection notes; what those have taken out of use stays out of use: {}."
    ),
    "REJECTION_LEFT_OUT": _warning(
        "Kinote",
        "It has no effect, and nobody is asked about it: as many rejections of its sender wait for a person as may.",
    ),
    "REJECTION_OF_ISSUED": _warning(
        "Kinote",
        "It names UIDs of objects that are here under new UIDs; whether it rejects these, too, a person decides: {}.",
    ),
    # Of a key object that is made here, and not received.
    "NOT_MADE": _error("Kinote", "Its bytes cannot be made from its note: {}."),
    # It refers to a UID under which there was more than one object (`kinote.lifecycle.copies`).
    "REFERENCE_AMBIGUOUS": _warning(
        "Kinote",
        "It refers to objects of which another one had the same UID; which was meant cannot be told: {}.",
    ),
    "GIVEN_ANOTHER_COPY": _warning(
        "Kinote", "Others were given another object under its UID, which they cannot tell from it: {}."
    ),
    # The object as a whole.
    "NOT_READABLE": _error("PS3.5 7", "The data set cannot be read: {}."),
    "TOO_DEEP": _error("TID 2010", "Content is nested deeper than 16 levels; a key object has two."),
    "TOO_LARGE": _error("Kinote", "The key object is larger than Kinote reads: {}."),
    "NOT_A_KEY_OBJECT": _error("PS3.4 B.5", "This is no Key Object Selection document."),
    "IDENTITY_MISSING": _error("PS3.3 C.12.1", "{} is missing or no UID."),
    "NO_REFERENCES": _error("TID 2010 rows 8-10", "Nothing is referenced, so nothing can be flagged."),
    "ALL_REFERENCES_BROKEN": _error("PS3.3 C.18.3", "No reference names a usable SOP Instance UID."),
    "TRANSFER_SYNTAX": _warning("PS3.10 7.1", "The data set is not encoded as declared, but as {}."),
    "STRUCTURE": _warning("PS3.5 7", "The data set is oddly put together: {}."),
    "ELEMENT_REPEATED": _warning("PS3.5 7.1", "Attributes stand more than once; the last one counts: {}."),
    "FILE_META_MISSING": _warning("PS3.10 7.1", "There is no file meta information; the syntax is guessed."),
    "FILE_META_MISMATCH": _warning("PS3.10 7.1", "File meta information and data set differ in {}."),
    "VR_UNEXPECTED": _warning("PS3.6 6", "{} has another value representation than the dictionary."),
    "CHARACTER_SET": _warning("PS3.3 C.12.1.1.2", "Text is not in the declared character set: {}."),
    "CHARACTER_SET_UNKNOWN": _warning("PS3.3 C.12.1.1.2", "The character set {} is no defined term."),
    "CHARACTER_SET_UNDECLARED": _warning("PS3.3 C.12.1.1.2", "Text needs a character set, none is declared."),
    "CHARACTER_SET_DOUBTFUL": _warning(
        "PS3.3 C.12.1.1.2", "Text is shown as declared ({}), and looks like UTF-8."
    ),
    "CHARACTER_SET_ABSENT": _info("PS3.3 C.12.1.1.2", "No character set is named; text is read as ASCII."),
    "NUL_IN_TEXT": _warning("PS3.5 6.1.3", "Text has NUL characters within it, which are left out."),
    "PERSON_NAME": _warning("PS3.5 6.2.1", "A name has more than three groups or five components: {}."),
    "FOREIGN_ATTRIBUTES": _info("PS3.3 A.35.4", "There are attributes of other kinds of objects: {}."),
    # Patient, series and document attributes.
    "NO_PATIENT": _warning("PS3.3 C.7.1.1", "The patient has no ID."),
    "MODALITY": _warning("PS3.3 C.17.6.1", "The modality is {}, not KO."),
    "SERIES_MIXED": _warning("PS3.3 C.17.6.1", "The key object lies in a series of the objects it flags."),
    "TYPE_1_MISSING": _warning("PS3.3 A.35.4", "{} is missing."),
    "TYPE_2_MISSING": _warning("PS3.3 A.35.4", "{} is absent; it must be there, if only empty."),
    "CONTENT_DATE_TIME": _warning("PS3.3 C.17.6.2", "{} is missing or malformed."),
    "DATE_TIME_MALFORMED": _warning("PS3.5 6.2", "A date or time is not written as DICOM has it: {}."),
    "TIMEZONE": _warning("PS3.3 C.12.1.1.8", "The timezone offset {} is none; the server's is assumed."),
    "DATED_BEFORE_STUDY": _info("PS3.3 C.17.6.2", "The key object is dated before its study."),
    "DATED_IN_FUTURE": _info("PS3.3 C.17.6.2", "The key object is dated in the future."),
    "REQUEST_MISMATCH": _warning("PS3.3 C.17.6.2", "The request is of a study that is not referenced: {}."),
    # The document title and its modifiers.
    "TITLE_MISSING": _warning("TID 2010 row 1", "There is no document title; the note is untitled."),
    "TITLE_SEVERAL": _warning("PS3.3 8.8", "The title has several codes; the first one counts."),
    "TITLE_MEANING_MISSING": _warning("PS3.3 8.3", "The title has no meaning; the dictionary's is shown."),
    "TITLE_MEANING_MISMATCH": _warning(
        "CID 7010", "The title says {}; its code means otherwise and decides."
    ),
    "TITLE_SCHEME": _warning("PS3.16 8", "The title's coding scheme is written {}; DCM is meant."),
    "CODE_INCOMPLETE": _warning("PS3.3 8.8", "A code lacks value or scheme and is ignored: {}."),
    "CODE_VALUE_LONG": _warning("PS3.3 8.1", "A code value is longer than 16 characters: {}."),
    "MODIFIER_MISSING": _warning("TID 2010 row 4", "The title {} needs a modifier and has none."),
    "MODIFIER_FOREIGN": _warning("TID 2010 rows 3-4", "The modifier {} does not belong to the title."),
    # References.
    "CONTENT_REFS_MISSING": _warning(
        "TID 2010 rows 8-10", "The content names no instances; those of the evidence are taken."
    ),
    "REFS_IN_IMAGE_LIBRARY": _warning(
        "TID 2010 rows 8-10", "Only nested containers name instances; those are taken."
    ),
    "EVIDENCE_MISSING": _warning(
        "PS3.3 C.17.6.2", "The evidence is missing; studies and series are looked up in the index."
    ),
    "EVIDENCE_EXTRA": _warning("PS3.3 C.17.6.2", "Instances of the evidence are not flagged: {}."),
    "EVIDENCE_SPLIT": _warning("PS3.3 C.17.2.1", "The evidence lists a study or series in several items."),
    "REF_NOT_IN_EVIDENCE": _warning(
        "PS3.3 C.17.6.2", "Instances that are flagged or applied are not listed: {}."
    ),
    "REF_STUDY_MISSING": _warning("PS3.3 C.17.2.1", "The evidence names no study or series; it is inferred."),
    "REF_SEVERAL_SERIES": _warning("PS3.3 C.17.2.1", "An instance is listed under several series: {}."),
    "REF_BROKEN": _warning("PS3.3 C.18.3", "References without a usable SOP Instance UID are left out: {}."),
    "REF_UID_MALFORMED": _warning("PS3.5 9.1", "A referenced UID is malformed: {}."),
    "REF_CLASS_MISSING": _warning("PS3.3 C.18.3", "A reference has no usable SOP class: {}."),
    "REF_CLASS_MISMATCH": _warning(
        "PS3.3 C.17.2.3", "Content and evidence differ in the SOP class of an instance: {}."
    ),
    "REF_DUPLICATE": _warning("TID 2010", "An instance is flagged again in the same way: {}."),
    "REF_SELF": _warning("TID 2010", "The key object references itself."),
    "FRAMES_INVALID": _warning("PS3.3 C.18.4", "Frame or segment numbers are no numbers from 1: {}."),
    "FRAMES_ON_SINGLE_FRAME": _warning("PS3.3 C.18.4", "Frames are named of images that have but one: {}."),
    "FRAME_NOT_THERE": _warning("PS3.3 C.18.4", "Frame numbers are left out: the image has frames 1 to {}."),
    "FRAMES_IN_EVIDENCE": _warning("PS3.3 C.17.2.3", "Frame numbers stand in the evidence; they are used."),
    "APPLIED_SEVERAL": _warning(
        "PS3.3 C.18.4", "A reference names several presentation states or value mappings, where one may be."
    ),
    "PRESENTATION_AS_IMAGE": _warning("TID 2010 row 8", "IMAGE items reference what is no image: {}."),
    "COMPOSITE_FOR_IMAGE": _info("TID 2010 row 10", "Images are referenced by COMPOSITE items."),
    "PURPOSE_OF_REFERENCE": _info(
        "TID 2010 rows 8-10", "References carry a concept name, which is forbidden."
    ),
    "CROSS_PATIENT": _warning(
        "PS3.3 C.17.6.2", "An image of another patient is referenced; that reference has no effect."
    ),
    "REJECTION_NOT_AUTHORISED": _warning(
        "IHE RAD-66", "The rejection has no effect: its sender may not reject, and nobody has accepted it."
    ),
    "IMAGE_LIBRARY": _info("TID 1600", "An image library lists instances by series: {}."),
    "RETRIEVAL_DETAILS": _info(
        "PS3.3 C.17.2.1", "The evidence says where to retrieve from: {}. It is not used."
    ),
    "OWN_STUDY_NOT_REFERENCED": _info(
        "PS3.3 C.17.6.2", "The key object lies in a study it does not reference."
    ),
    "NO_IDENTICAL_DOCUMENTS": _warning(
        "PS3.3 C.17.6.2.1", "Several studies are referenced, and no identical documents are named."
    ),
    "IDENTICAL_INCOMPLETE": _warning(
        "PS3.3 C.17.6.2.1", "No identical document is named for the referenced study {}."
    ),
    "IDENTICAL_LISTS_SELF": _warning("PS3.3 C.17.6.2.1", "The document lists itself as its identical copy."),
    # The content tree.
    "ROOT_INCOMPLETE": _warning("PS3.3 C.17.3", "The root lacks value type or continuity of content."),
    "TEMPLATE": _warning("PS3.3 C.18.8", "The template is not given as DCMR 2010."),
    "RELATIONSHIP_MISSING": _warning("PS3.3 C.17.3", "Items lack a relationship; CONTAINS is assumed."),
    "VALUE_TYPE_MISSING": _warning("PS3.3 C.17.3", "Items lack a value type; it is told by what they hold."),
    "BY_REFERENCE": _warning("PS3.3 A.35.4.3.1", "By-reference items, which are forbidden, are ignored."),
    "ITEM_IGNORED": _warning("PS3.3 A.35.4.3.1", "Items that have no place in a key object are ignored: {}."),
    "DESCRIPTION_CONCEPT": _warning("TID 2010 row 7", "The description stands under another concept: {}."),
    "DESCRIPTION_SEVERAL": _warning("TID 2010 row 7", "There are several descriptions; all are shown."),
    "DESCRIPTION_EMPTY": _warning("PS3.3 C.18.1", "The description is empty."),
    # Findings of `kinote.keyobject.check`, and of `kinote check` for folders.
    "NO_KEY_OBJECTS": _error("Kinote", "There is no key object in the folder; its other files: {}."),
    "OBSERVER_INCOMPLETE": _warning("TID 1003, 1004", "An observer lacks what names it: {}."),
    "LANGUAGE_SCHEME": _info("TID 1204", "The language is not given as an RFC 5646 tag: {}."),
    "VALUE_TOO_LONG": _warning("PS3.5 6.2", "A value is longer than its representation allows: {}."),
    "RELATIONSHIP_ILLEGAL": _warning("PS3.3 A.35.4.3.1", "A relationship is not allowed here: {}."),
    "TIMEZONE_MISSING": _info("PS3.3 C.12.1", "No timezone is given, so the time of the note is unsure."),
}

#: How many examples a sentence has, and the maximum length of one example and of all, in characters.
_EXAMPLES = 3
_LONGEST_EXAMPLE = 160
_LONGEST_DETAIL = 600


def found(code: str, place: str = "", detail: object = "") -> Finding:
    """Return the finding with this code at a `place`. The `detail` is inserted into its sentence."""
    rule = RULES[code]
    return Finding(code, rule.severity, place, rule.sentence.format(_shown(str(detail), _LONGEST_DETAIL)))


def _shown(detail: str, most: int) -> str:
    """Shorten and escape a value for display: it may have any length, and characters that no terminal or index
    accepts."""
    if len(detail) <= most and detail.isprintable():
        return detail
    escaped = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in detail[:most]
    )
    return escaped if len(escaped) <= most and len(detail) <= most else escaped[: most - 1] + "…"


class Findings:
    """Collects findings, one for each code however often it occurs, since nobody needs a list of 20,000.

    A finding has the first place, and the first few details in its sentence.
    """

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._details: dict[str, list[str]] = {}
        self._times: dict[str, int] = {}
        self._added = 0

    def add(self, code: str, place: str = "", detail: str = "") -> None:
        """Add a finding, or count it if there is one with this code already."""
        if code not in self._places:
            self._places[code] = place
            self._details[code] = []
            self._times[code] = 0
        self._times[code] += 1
        self._added += 1
        details = self._details[code]
        if (
            detail
            and len(details) <= _EXAMPLES
            and (shown := _shown(detail, _LONGEST_EXAMPLE)) not in details
        ):
            details.append(shown)

    def __len__(self) -> int:
        """Return how many times `add` was called."""
        return self._added

    def __contains__(self, code: object) -> bool:
        return code in self._places

    def as_tuple(self) -> tuple[Finding, ...]:
        """Return all findings: errors, then warnings, then infos, otherwise in the order in which they were added."""
        if not self._places:
            return ()
        order = {"error": 0, "warning": 1, "info": 2}
        findings = [self._finding(code) for code in self._places]
        return tuple(sorted(findings, key=lambda finding: order[finding.severity]))

    def _finding(self, code: str) -> Finding:
        details = self._details[code]
        detail = ", ".join(details[:_EXAMPLES]) + (" and others" if len(details) > _EXAMPLES else "")
        finding = found(code, self._places[code], detail)
        times = self._times[code]
        if times == 1:
            return finding
        return Finding(code, finding.severity, finding.place, f"{finding.text} ({times} times)")
