"""Checks those attributes of a key object's modules that the reader does not need (PS3.3 A.35.4).

Each fault has a finding of its own with its place, because whoever repairs the producing system needs all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.values.dates import is_date, is_time
from kinote.keyobject.findings import Finding, found


def check(root: DataSet) -> Iterator[Finding]:
    """Add findings for the attributes of a key object's data set and of its requests."""
    if tags.SPECIFIC_CHARACTER_SET not in root:
        yield found("CHARACTER_SET_ABSENT", "SpecificCharacterSet")
    if not root.text(tags.TIMEZONE_OFFSET_FROM_UTC):
        yield found("TIMEZONE_MISSING", "TimezoneOffsetFromUTC")
    yield from _absent(root, _TYPE_2, "")
    for number, request in enumerate(root.items(tags.REFERENCED_REQUEST_SEQUENCE), 1):
        yield from _absent(request, _TYPE_2_OF_REQUESTS, f"ReferencedRequestSequence[{number}].")
    yield from _malformed(root)


def _absent(dataset: DataSet, wanted: tuple[tuple[int, str], ...], prefix: str) -> Iterator[Finding]:
    """Return the attributes of type 2 that are absent."""
    for tag, name in wanted:
        if tag not in dataset:
            yield found("TYPE_2_MISSING", prefix + _keyword(name), name)


def _malformed(root: DataSet) -> Iterator[Finding]:
    """Return dates and times that are not written in the current form of DICOM (PS3.5 6.2)."""
    for tags_of_kind, is_right in ((_DATES, is_date), (_TIMES, is_time)):
        for tag, name in tags_of_kind:
            text = (root.text(tag) or "").strip(" ")
            if text and not is_right(text):
                yield found("DATE_TIME_MALFORMED", _keyword(name), f"{name} {text[:80]!r}")


def _keyword(name: str) -> str:
    return "".join(name.replace("'s", "").replace("/", " ").split())


#: Attributes of Patient, General Study and General Equipment (PS3.3 C.7).
_TYPE_2 = (
    (tags.STUDY_DATE, "Study Date"),
    (tags.STUDY_TIME, "Study Time"),
    (tags.ACCESSION_NUMBER, "Accession Number"),
    (tags.MANUFACTURER, "Manufacturer"),
    (tags.REFERRING_PHYSICIAN_NAME, "Referring Physician's Name"),
    (tags.PATIENT_NAME, "Patient's Name"),
    (tags.PATIENT_BIRTH_DATE, "Patient's Birth Date"),
    (tags.PATIENT_SEX, "Patient's Sex"),
    (tags.STUDY_ID, "Study ID"),
)

#: Attributes of Referenced Request Sequence (PS3.3 C.17.6.2).
_TYPE_2_OF_REQUESTS = (
    (tags.REFERENCED_STUDY_SEQUENCE, "Referenced Study Sequence"),
    (tags.ACCESSION_NUMBER, "Accession Number"),
    (tags.PLACER_ORDER_NUMBER, "Placer Order Number / Imaging Service Request"),
    (tags.FILLER_ORDER_NUMBER, "Filler Order Number / Imaging Service Request"),
    (tags.REQUESTED_PROCEDURE_ID, "Requested Procedure ID"),
    (tags.REQUESTED_PROCEDURE_DESCRIPTION, "Requested Procedure Description"),
    (tags.REQUESTED_PROCEDURE_CODE_SEQUENCE, "Requested Procedure Code Sequence"),
)

#: The reader checks the attributes of the content, which it needs.
_DATES = (
    (tags.STUDY_DATE, "Study Date"),
    (tags.SERIES_DATE, "Series Date"),
    (tags.PATIENT_BIRTH_DATE, "Patient's Birth Date"),
)
_TIMES = ((tags.STUDY_TIME, "Study Time"), (tags.SERIES_TIME, "Series Time"))
