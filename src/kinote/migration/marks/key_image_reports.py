"""Key images of Cornerstone3D, and of viewers that are made with it, such as OHIF.

Its tool KeyImage is stored as a measurement report (TID 1500): a measurement group (125007, DCM) whose tracking
identifier (112039, DCM) ends in `:KeyImage`, with a point that means nothing, and the image below it. A label is the
meaning of the finding (121071, DCM) or finding site with the code CORNERSTONEFREETEXT.
"""

from __future__ import annotations

from collections.abc import Iterator

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.evidence import Evidence, read_evidence
from kinote.migration.marks.header import moment_of, patient_of, said
from kinote.migration.marks.table import OF_INTEREST, Found, frames_text, row

#: Enhanced, Comprehensive, Comprehensive 3D and Extensible SR (PS3.6 A).
CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (22, 33, 34, 35))

_GROUP, _TRACKING = ("125007", "DCM"), ("112039", "DCM")
_OBSERVER = ("121008", "DCM")

_FREE_TEXT = "CORNERSTONEFREETEXT"
_SUFFIX = ":KeyImage"

#: The author of reports whose viewer does not know its user.
_NOBODY = "unknown^unknown"


def found_in(dataset: DataSet) -> Found:
    """Return the key images of a report; those with the same label are one note."""
    found = Found()
    own_study = said(dataset, tags.STUDY_INSTANCE_UID)
    evidence = read_evidence(dataset, own_study, Findings())
    own_uid = said(dataset, tags.SOP_INSTANCE_UID)
    author = next(
        (
            said(item, tags.PERSON_NAME)
            for item in dataset.items(tags.CONTENT_SEQUENCE)
            if _concept(item) == _OBSERVER
        ),
        "",
    )
    labels: dict[str, int] = {}
    measurements = 0
    for group in _below(dataset):
        if _concept(group) != _GROUP:
            continue
        items = list(_below(group))
        if not any(
            _concept(item) == _TRACKING and said(item, tags.TEXT_VALUE).endswith(_SUFFIX) for item in items
        ):
            measurements += 1
            continue
        label = _label(items)
        number = labels.setdefault(label, len(labels) + 1)
        for reference in (image for item in items for image in item.items(tags.REFERENCED_SOP_SEQUENCE)):
            found.rows.append(
                row(
                    note=f"report {own_uid} {number}",
                    title=OF_INTEREST,
                    description=label,
                    author="" if author.casefold() == _NOBODY else author,
                    created=moment_of(dataset, tags.CONTENT_DATE, tags.CONTENT_TIME),
                    frames=frames_text(reference.integers(tags.REFERENCED_FRAME_NUMBER)),
                    **patient_of(dataset),
                    **_place(reference, evidence, own_study),
                )
            )
    if measurements and found.rows:
        found.left.append(f"Measurements of the report cannot be carried over: {measurements:,}.")
    return found


def _place(reference: DataSet, evidence: Evidence, own_study: str) -> dict[str, str]:
    uid = said(reference, tags.REFERENCED_SOP_INSTANCE_UID)
    known = evidence.instances.get(uid)
    return {
        "study_instance_uid": (known.study_instance_uid if known else "") or own_study,
        "series_instance_uid": known.series_instance_uid if known else "",
        "sop_class_uid": said(reference, tags.REFERENCED_SOP_CLASS_UID),
        "sop_instance_uid": uid,
    }


def _below(item: DataSet) -> Iterator[DataSet]:
    """Yield all content items below one, in their order. The walker has bounded their depth."""
    waiting = list(reversed(item.items(tags.CONTENT_SEQUENCE)))
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(each.items(tags.CONTENT_SEQUENCE))


def _concept(item: DataSet) -> tuple[str, str]:
    for code in item.items(tags.CONCEPT_NAME_CODE_SEQUENCE):
        return said(code, tags.CODE_VALUE), said(code, tags.CODING_SCHEME_DESIGNATOR)
    return "", ""


def _label(items: list[DataSet]) -> str:
    codes = [code for item in items for code in item.items(tags.CONCEPT_CODE_SEQUENCE)]
    return next(
        (said(code, tags.CODE_MEANING) for code in codes if said(code, tags.CODE_VALUE) == _FREE_TEXT), ""
    )
