"""Reads everything around the content of a key object: identity, patient, series, dates, requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time

from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.dicom.elements.dataset import DataSet
from kinote.dicom.values import uids
from kinote.dicom.values.dates import is_date, is_offset, is_time, parse_date, parse_offset, parse_time
from kinote.keyobject.findings import Findings
from kinote.keyobject.readers.coded import (
    check_characters,
    check_person_name,
    needs_characters,
    read_code_sequence,
    read_text,
)
from kinote.keyobject.readers.element_cache import LONGEST, ElementCache
from kinote.keyobject.reading import FoundRequest

_INSTANCE_CREATION_DATE = 0x00080012
_INSTANCE_CREATION_TIME = 0x00080013

#: Attributes of general SR documents and of images, which do not belong into a key object.
_FOREIGN = {
    0x0040A360: "Predecessor Documents Sequence",
    0x0040A385: "Pertinent Other Evidence Sequence",
    0x0040A491: "Completion Flag",
    0x0040A493: "Verification Flag",
    tags.PIXEL_DATA: "Pixel Data",
}

#: Attributes whose representation must be right so that others can read the object.
_NAMED = {
    tags.INSTANCE_NUMBER: "Instance Number",
    tags.SERIES_NUMBER: "Series Number",
    tags.CONTENT_DATE: "Content Date",
    tags.CONTENT_TIME: "Content Time",
    tags.CONCEPT_NAME_CODE_SEQUENCE: "Concept Name Code Sequence",
    tags.CONTENT_SEQUENCE: "Content Sequence",
    tags.CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE: "Current Requested Procedure Evidence Sequence",
    tags.PATIENT_NAME: "Patient's Name",
    tags.PATIENT_ID: "Patient ID",
}
_REPRESENTATIONS = {tag: implicit_vr(tag).encode() for tag in _NAMED}


#: The attributes of a `Header` in its order, each with its place in findings; '' for UIDs, which need no character
#: set.
_ENVELOPE = {
    tags.SOP_CLASS_UID: "",
    tags.SOP_INSTANCE_UID: "",
    tags.SERIES_INSTANCE_UID: "",
    tags.STUDY_INSTANCE_UID: "",
    tags.PATIENT_ID: "PatientID",
    tags.ISSUER_OF_PATIENT_ID: "IssuerOfPatientID",
    tags.PATIENT_NAME: "PatientName",
    tags.MODALITY: "Modality",
    tags.MANUFACTURER: "Manufacturer",
    tags.SERIES_DESCRIPTION: "SeriesDescription",
    tags.CONTENT_DATE: "ContentDate",
    tags.CONTENT_TIME: "ContentTime",
    tags.TIMEZONE_OFFSET_FROM_UTC: "TimezoneOffsetFromUTC",
}


@dataclass(slots=True)
class Header:
    """The header of a received document, as written. `made` is the time when it was made, if that is known."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    modality: str
    manufacturer: str
    series_description: str
    content_date: str
    content_time: str
    timezone: str
    made: datetime | None = field(init=False, default=None)
    requests: tuple[FoundRequest, ...] = field(init=False, default=())


def read_header(dataset: DataSet, findings: Findings) -> Header:
    texts = dataset.each_text(_ENVELOPE)
    header = Header(*texts)
    _check_texts(dataset, header, texts, findings)
    header.made = _made(dataset, header)
    header.requests = _requests(dataset, findings)
    _check_identity(header, findings)
    _check_series(dataset, header, findings)
    _check_dates(dataset, header, findings)
    _check_document(dataset, findings)
    return header


def _check_texts(dataset: DataSet, header: Header, texts: list[str], findings: Findings) -> None:
    """Add findings about text, in the order of the attributes."""
    if not needs_characters("".join(texts)):
        check_person_name(header.patient_name, "PatientName", findings)
        return
    for (tag, place), text in zip(_ENVELOPE.items(), texts, strict=True):
        if place and needs_characters(text):
            check_characters(dataset, tag, place, findings)
        if tag == tags.PATIENT_NAME:
            check_person_name(text, place, findings)


def _made(dataset: DataSet, header: Header) -> datetime | None:
    """Return content date and time, or else those of the instance's creation (V42)."""
    day = parse_date(header.content_date)
    hour = parse_time(header.content_time)
    if day is None:
        day = parse_date(dataset.text(_INSTANCE_CREATION_DATE))
        hour = parse_time(dataset.text(_INSTANCE_CREATION_TIME))
    return None if day is None else datetime.combine(day, hour or time(), parse_offset(header.timezone))


def _requests(dataset: DataSet, findings: Findings) -> tuple[FoundRequest, ...]:
    place = "ReferencedRequestSequence"
    if tags.REFERENCED_REQUEST_SEQUENCE not in dataset:
        return ()
    return tuple(
        FoundRequest(
            study_instance_uid=item.text(tags.STUDY_INSTANCE_UID) or "",
            accession_number=read_text(item, tags.ACCESSION_NUMBER, place, findings),
            requested_procedure_id=read_text(item, tags.REQUESTED_PROCEDURE_ID, place, findings),
            requested_procedure_description=read_text(
                item, tags.REQUESTED_PROCEDURE_DESCRIPTION, place, findings
            ),
            placer_order_number=read_text(item, tags.PLACER_ORDER_NUMBER, place, findings),
            filler_order_number=read_text(item, tags.FILLER_ORDER_NUMBER, place, findings),
            requested_procedure_code=read_code_sequence(
                item, tags.REQUESTED_PROCEDURE_CODE_SEQUENCE, place, findings
            ),
        )
        for item in dataset.items(tags.REFERENCED_REQUEST_SEQUENCE)
    )


def _check_identity(header: Header, findings: Findings) -> None:
    for uid, place, name in (
        (header.sop_instance_uid, "SOPInstanceUID", "SOP Instance UID"),
        (header.study_instance_uid, "StudyInstanceUID", "Study Instance UID"),
        (header.series_instance_uid, "SeriesInstanceUID", "Series Instance UID"),
    ):
        if not uids.is_tolerable(uid):
            findings.add("IDENTITY_MISSING", place, name)
    if header.sop_class_uid != sop_classes.KEY_OBJECT_SELECTION:
        findings.add("NOT_A_KEY_OBJECT", "SOPClassUID")
    if not header.patient_id:
        findings.add("NO_PATIENT", "PatientID")


def _check_series(dataset: DataSet, header: Header, findings: Findings) -> None:
    if header.modality != "KO":
        findings.add("MODALITY", "Modality", header.modality or "empty")
    for tag, place, name in (
        (tags.INSTANCE_NUMBER, "InstanceNumber", "Instance Number"),
        (tags.SERIES_NUMBER, "SeriesNumber", "Series Number"),
    ):
        if dataset.integer(tag) is None:
            findings.add("TYPE_1_MISSING", place, name)
    if tags.REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE not in dataset:
        findings.add(
            "TYPE_2_MISSING",
            "ReferencedPerformedProcedureStepSequence",
            "Referenced Performed Procedure Step Sequence",
        )


def _check_dates(dataset: DataSet, header: Header, findings: Findings) -> None:
    if not is_date(header.content_date):
        findings.add("CONTENT_DATE_TIME", "ContentDate", f"Content Date {header.content_date!r}")
    if not is_time(header.content_time):
        findings.add("CONTENT_DATE_TIME", "ContentTime", f"Content Time {header.content_time!r}")
    if header.timezone and not is_offset(header.timezone):
        findings.add("TIMEZONE", "TimezoneOffsetFromUTC", repr(header.timezone[:80]))
    studied = parse_date(dataset.text(tags.STUDY_DATE))
    content_date = parse_date(header.content_date)
    if studied and content_date and content_date < studied:
        findings.add("DATED_BEFORE_STUDY", "ContentDate")


def _check_document(root: DataSet, findings: Findings) -> None:
    """Check the root of the content tree, the template, and attributes that do not belong into a key object."""
    characters = root.character_set
    if not characters.is_known:
        findings.add("CHARACTER_SET_UNKNOWN", "SpecificCharacterSet", "\\".join(characters.terms))
    if root.text(tags.VALUE_TYPE) != "CONTAINER" or not root.text(tags.CONTINUITY_OF_CONTENT):
        findings.add("ROOT_INCOMPLETE", "ValueType")
    if not _has_template(root):
        findings.add("TEMPLATE", "ContentTemplateSequence")
    if root.has_any(_FOREIGN.keys()):
        for tag in filter(root.__contains__, _FOREIGN):
            findings.add("FOREIGN_ATTRIBUTES", _FOREIGN[tag].replace(" ", ""), _FOREIGN[tag])
    for tag in root.sent_otherwise(_REPRESENTATIONS):
        findings.add("VR_UNEXPECTED", _NAMED[tag].replace(" ", "").replace("'s", ""), _NAMED[tag])


def _has_template(root: DataSet) -> bool:
    """Return whether the content declares TID 2010."""
    sent = root.element(tags.CONTENT_TEMPLATE_SEQUENCE, LONGEST)
    if _TEMPLATES.value_of(sent, root.encoding):
        return True
    templates = root.items(tags.CONTENT_TEMPLATE_SEQUENCE)
    if (
        len(templates) != 1
        or templates[0].text(tags.TEMPLATE_IDENTIFIER) != "2010"
        or templates[0].text(tags.MAPPING_RESOURCE) != "DCMR"
    ):
        return False
    _TEMPLATES.remember(sent, root.encoding, True)
    return True


_TEMPLATES: ElementCache[bool] = ElementCache()
