"""Reading Key Object Selection documents, tolerantly.

Whatever arrives is understood as far as it can be; what is off becomes findings. *What* is flagged are the
references of the content, in order (else those of an image library, else the evidence); *where* it lies is
the evidence. Never raises on bad content: that a document cannot be understood is a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinote.dicom import sop_classes, tags, uids
from kinote.dicom.dataset import DataSet, scan
from kinote.dicom.dates import parse_date, parse_offset, parse_time
from kinote.dicom.errors import DicomError, TooDeepError, TooLargeError
from kinote.dicom.scanner import Limits
from kinote.keyobject import evidence as evidence_reading
from kinote.keyobject.codes import Code
from kinote.keyobject.content import Content, ReadReference, read_code, read_content
from kinote.keyobject.findings import Finding, found
from kinote.keyobject.model import InstanceReference, Observer, RequestReference
from kinote.keyobject.titles import canonical, modifiers_for, standard_meaning

Registration = Literal["registered", "registered with findings", "unreadable"]
ReferencesFrom = Literal["content", "image library", "evidence"]

MAX_REFERENCES = 100_000
MAX_BYTES = 64 * 1024 * 1024

#: A KOS of 100,000 references has some two million elements.
_LIMITS = Limits(depth=64, elements=4_000_000, bulk_binary=4096, bulk_text=4 * 1024 * 1024)

UNTITLED = Code("untitled", "99KINOTE", "Untitled")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood of a document. An unreadable one has only findings, and what could be read.

    `references` keep the order and the duplicates of the document; `distinct_references` have each
    instance (with its frames and segments) once.
    """

    registration: Registration
    findings: tuple[Finding, ...]
    title: Code | None = None
    modifiers: tuple[Code, ...] = ()
    descriptions: tuple[str, ...] = ()
    language: str = ""
    observers: tuple[Observer, ...] = ()
    procedure_codes: tuple[Code, ...] = ()
    references: tuple[ReadReference, ...] = ()
    references_from: ReferencesFrom = "content"
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    content_date: str = ""
    content_time: str = ""
    timezone: str = ""
    observation_date_time: str = ""
    manufacturer: str = ""
    identical_documents: tuple[InstanceReference, ...] = ()
    requests: tuple[RequestReference, ...] = ()

    @property
    def description(self) -> str:
        return "\n\n".join(self.descriptions)

    @property
    def distinct_references(self) -> tuple[ReadReference, ...]:
        return tuple(dict.fromkeys(self.references))


def read(data: bytes, transfer_syntax_uid: str) -> Reading:
    """Read the data set of a Key Object Selection document."""
    if len(data) > MAX_BYTES:
        return _unreadable(found("TOO_LARGE", detail=f"{len(data)} bytes"))
    try:
        dataset = scan(data, transfer_syntax_uid, _LIMITS)
    except TooDeepError:
        return _unreadable(found("TOO_DEEP"))
    except TooLargeError as error:
        return _unreadable(found("TOO_LARGE", detail=error))
    except DicomError as error:
        return _unreadable(found("NOT_READABLE", detail=error))
    return read_dataset(dataset)


def read_dataset(dataset: DataSet) -> Reading:
    """Read a document from its scanned data set."""
    findings: list[Finding] = []
    content = read_content(dataset)
    if content.too_deep:
        return _unreadable(found("TOO_DEEP", "(0040,A730)"))
    evidence = evidence_reading.read_evidence(dataset, tags.CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)
    findings += content.findings + evidence.findings
    references, source = _authoritative(content, evidence, findings)
    if len(references) > MAX_REFERENCES:
        return _unreadable(found("TOO_LARGE", detail=f"{len(references)} references"))
    located = tuple(evidence.locate(reference) for reference in references)
    _compare(located, evidence, source, dataset, findings)
    title = _title(dataset, findings)
    _check_modifiers(title, content.modifiers, findings)
    _check_envelope(dataset, findings)
    identical = _identical_documents(dataset, located, findings)
    if not located:
        broken = content.broken or evidence.broken
        findings.append(found("ALL_REFERENCES_BROKEN" if broken else "NO_REFERENCES", "(0040,A730)"))
    registration: Registration = "registered with findings" if findings else "registered"
    if all(finding.severity == "info" for finding in findings):
        registration = "registered"
    if not located:
        registration = "unreadable"
    return Reading(
        registration=registration,
        findings=tuple(findings),
        title=title,
        modifiers=content.modifiers,
        descriptions=content.descriptions,
        language=content.language,
        observers=content.observers,
        procedure_codes=content.procedure_codes,
        references=located,
        references_from=source,
        sop_instance_uid=dataset.text(tags.SOP_INSTANCE_UID) or "",
        study_instance_uid=dataset.text(tags.STUDY_INSTANCE_UID) or "",
        series_instance_uid=dataset.text(tags.SERIES_INSTANCE_UID) or "",
        patient_id=dataset.text(tags.PATIENT_ID) or "",
        issuer_of_patient_id=dataset.text(tags.ISSUER_OF_PATIENT_ID) or "",
        content_date=dataset.text(tags.CONTENT_DATE) or "",
        content_time=dataset.text(tags.CONTENT_TIME) or "",
        timezone=dataset.text(tags.TIMEZONE_OFFSET_FROM_UTC) or "",
        observation_date_time=dataset.text(tags.OBSERVATION_DATE_TIME) or "",
        manufacturer=dataset.text(tags.MANUFACTURER) or "",
        identical_documents=identical,
        requests=_requests(dataset),
    )


def _unreadable(finding: Finding) -> Reading:
    return Reading("unreadable", (finding,))


def _authoritative(
    content: Content, evidence: evidence_reading.Evidence, findings: list[Finding]
) -> tuple[tuple[ReadReference, ...], ReferencesFrom]:
    """What is flagged: root-level references, else those of nested containers, else the evidence."""
    if content.references:
        return content.references, "content"
    if content.nested_references:
        findings.append(found("REFS_IN_IMAGE_LIBRARY", "(0040,A730)"))
        return content.nested_references, "image library"
    if evidence.references:
        findings.append(found("CONTENT_REFS_MISSING", "(0040,A730)"))
        return evidence.references, "evidence"
    return (), "content"


def _compare(
    located: tuple[ReadReference, ...],
    evidence: evidence_reading.Evidence,
    source: ReferencesFrom,
    dataset: DataSet,
    findings: list[Finding],
) -> None:
    """Content against evidence, and references against each other."""
    repeated = len(located) - len(set(located))
    if repeated:
        findings.append(found("REF_DUPLICATE", "(0040,A730)", repeated))
    if dataset.text(tags.SOP_INSTANCE_UID) in {reference.sop_instance_uid for reference in located}:
        findings.append(found("REF_SELF", "(0040,A730)"))
    odd = next((r.sop_instance_uid for r in located if not uids.is_valid(r.sop_instance_uid)), None)
    if odd:
        findings.append(found("REF_UID_MALFORMED", "(0008,1155)", odd))
    if source == "evidence":
        return
    if not evidence.references:
        findings.append(found("EVIDENCE_MISSING", "(0040,A375)"))
        return
    listed = {reference.sop_instance_uid: reference.sop_class_uid for reference in evidence.references}
    flagged = {reference.sop_instance_uid for reference in located}
    missing = flagged - listed.keys()
    if missing:
        findings.append(found("REF_NOT_IN_EVIDENCE", "(0040,A375)", len(missing)))
    states = {r.presentation_state_uid for r in located} | {u for r in located for u in r.value_map_uids}
    extra = listed.keys() - flagged - states
    if extra:
        findings.append(found("EVIDENCE_EXTRA", "(0040,A375)", len(extra)))
    if any(
        reference.sop_class_uid
        and listed.get(reference.sop_instance_uid, reference.sop_class_uid)
        not in ("", reference.sop_class_uid)
        for reference in located
    ):
        findings.append(found("REF_CLASS_MISMATCH", "(0008,1150)"))


def _title(dataset: DataSet, findings: list[Finding]) -> Code:
    place = "(0040,A043)"
    items = dataset.items(tags.CONCEPT_NAME_CODE_SEQUENCE)
    code = read_code(items[0]) if items else None
    if code is None:
        findings.append(found("TITLE_MISSING", place))
        return UNTITLED
    if len(items) > 1:
        findings.append(found("TITLE_SEVERAL", place))
    proper = canonical(code)
    if proper.scheme != code.scheme and code.scheme.upper() == "DICOM":
        findings.append(found("TITLE_SCHEME", place, code.scheme))
    standard = standard_meaning(proper)
    if not code.meaning:
        findings.append(found("TITLE_MEANING_MISSING", place))
        return Code(code.value, code.scheme, standard or code.value)
    if standard and code.meaning.casefold() != standard.casefold():
        findings.append(found("TITLE_MEANING_MISMATCH", place, repr(code.meaning)))
    return code


def _check_modifiers(title: Code, modifiers: tuple[Code, ...], findings: list[Finding]) -> None:
    rule = modifiers_for(title)
    if rule is None:
        return
    if rule.mandatory and not modifiers:
        findings.append(found("MODIFIER_MISSING", "(0040,A730)"))
    findings += [
        found("MODIFIER_FOREIGN", "(0040,A730)", modifier)
        for modifier in modifiers
        if modifier not in rule.codes
    ]


def _check_envelope(dataset: DataSet, findings: list[Finding]) -> None:
    modality = dataset.text(tags.MODALITY)
    if modality != "KO":
        findings.append(found("MODALITY", "(0008,0060)", modality or "empty"))
    date, time = dataset.text(tags.CONTENT_DATE), dataset.text(tags.CONTENT_TIME)
    if parse_date(date) is None or parse_time(time) is None:
        findings.append(
            found("CONTENT_DATE_TIME", "(0008,0023)", f"{date or ''} {time or ''}".strip() or "none")
        )
    offset = dataset.text(tags.TIMEZONE_OFFSET_FROM_UTC)
    if offset and parse_offset(offset) is None:
        findings.append(found("TIMEZONE", "(0008,0201)", offset))
    for tag, name in ((tags.SERIES_NUMBER, "Series Number"), (tags.INSTANCE_NUMBER, "Instance Number")):
        if dataset.integer(tag) is None:
            findings.append(found("TYPE_1_MISSING", f"({tag >> 16:04X},{tag & 0xFFFF:04X})", name))
    if tags.REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE not in dataset:
        findings.append(
            found("TYPE_1_MISSING", "(0008,1111)", "Referenced Performed Procedure Step Sequence")
        )
    if not dataset.text(tags.PATIENT_ID):
        findings.append(found("NO_PATIENT", "(0010,0020)"))
    if not dataset.text(tags.VALUE_TYPE) or not dataset.text(tags.CONTINUITY_OF_CONTENT):
        findings.append(found("ROOT_INCOMPLETE", "(0040,A040)"))
    template = next(iter(dataset.items(tags.CONTENT_TEMPLATE_SEQUENCE)), None)
    if (
        template is None
        or template.text(tags.TEMPLATE_IDENTIFIER) != "2010"
        or template.text(tags.MAPPING_RESOURCE) != "DCMR"
    ):
        findings.append(found("TEMPLATE", "(0040,A504)"))
    if not dataset.character_set.is_known:
        findings.append(found("CHARACTER_SET", "(0008,0005)"))
    if tags.PIXEL_DATA in dataset:
        findings.append(found("FOREIGN_ATTRIBUTES", "(7FE0,0010)", "Pixel Data"))


def _identical_documents(
    dataset: DataSet, located: tuple[ReadReference, ...], findings: list[Finding]
) -> tuple[InstanceReference, ...]:
    listed = evidence_reading.read_evidence(dataset, tags.IDENTICAL_DOCUMENTS_SEQUENCE).instances
    own = dataset.text(tags.SOP_INSTANCE_UID)
    if any(instance.sop_instance_uid == own for instance in listed):
        findings.append(found("IDENTICAL_LISTS_SELF", "(0040,A525)"))
    studies = {reference.study_instance_uid for reference in located if reference.study_instance_uid}
    if len(studies) > 1 and not listed:
        findings.append(found("NO_IDENTICAL_DOCUMENTS", "(0040,A525)"))
    return tuple(instance for instance in listed if instance.sop_instance_uid != own)


def _requests(dataset: DataSet) -> tuple[RequestReference, ...]:
    return tuple(
        RequestReference(
            study_instance_uid=item.text(tags.STUDY_INSTANCE_UID) or "",
            accession_number=item.text(tags.ACCESSION_NUMBER) or "",
            requested_procedure_id=item.text(tags.REQUESTED_PROCEDURE_ID) or "",
            requested_procedure_description=item.text(tags.REQUESTED_PROCEDURE_DESCRIPTION) or "",
            placer_order_number=item.text(tags.PLACER_ORDER_NUMBER) or "",
            filler_order_number=item.text(tags.FILLER_ORDER_NUMBER) or "",
        )
        for item in dataset.items(tags.REFERENCED_REQUEST_SEQUENCE)
    )


def is_key_object(dataset: DataSet) -> bool:
    return dataset.text(tags.SOP_CLASS_UID) == sop_classes.KEY_OBJECT_SELECTION
