"""The tolerant reader: it makes a `Reading` of any bytes, and never raises.

Flagged are the references of the content's root, in their order; if there are none, those in nested containers
(image libraries), and otherwise the evidence. The evidence tells the place of an instance. Contradictions are
findings. A document that cannot be read is `unreadable` and flags nothing, because a reference that might be wrong
is worse than none.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from kinote.dicom.dictionary import sop_classes, tags
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    lookup,
)
from kinote.dicom.elements import encodings
from kinote.dicom.elements.dataset import DataSet, scanned
from kinote.dicom.elements.errors import DicomError, TooDeepError, TooLargeError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.keyobject.findings import Finding, Findings
from kinote.keyobject.readers.content import (
    MAX_REFERENCES,
    Content,
    TooDeepContentError,
    TooManyReferencesError,
    read_content,
)
from kinote.keyobject.readers.evidence import EVIDENCE, Evidence, read_evidence, read_identical_documents
from kinote.keyobject.readers.header import Header, read_header
from kinote.keyobject.readers.observers import observers
from kinote.keyobject.readers.title_reader import check_modifiers, read_title
from kinote.keyobject.reading import Reading, ReadReference, ReferencesFrom, Registration
from kinote.keyobject.titles import TitleGroup, title_group

#: Increased whenever the reader understands a document otherwise than before. `kinote doctor` then reads again what
#: an older version has read.
VERSION = 2

#: Larger key objects are not read (V55), in bytes, deflated or not.
MAX_BYTES = 64 * 1024 * 1024

#: The limits of reading are those of intake, so that stored bytes are always read again with the same result.
LIMITS = Limits(
    header_bytes=MAX_BYTES,
    bulk_text=MAX_BYTES,
    inflated_bytes=MAX_BYTES,
    inflation_ratio=0,
)

#: The encodings to try if a data set is not in the declared one (V83), in this order.
_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


def read(data: bytes, transfer_syntax_uid: str, *, now: datetime | None = None) -> Reading:
    """Read a data set (without file meta information) in its transfer syntax.

    `now` is an aware moment. With it, documents of the future get a finding.
    """
    findings = Findings()
    root = _scanned(data, transfer_syntax_uid, findings)
    if root is None:
        return Reading("unreadable", findings.as_tuple())
    return _read(root, findings, now)


def read_dataset(dataset: DataSet, transfer_syntax_uid: str, *, now: datetime | None = None) -> Reading:
    """Read a data set that was walked already, with all its values (`dataset.bulk` is empty)."""
    findings = Findings()
    _note_oddities(dataset, transfer_syntax_uid, findings)
    return _read(dataset, findings, now)


def _read(root: DataSet, findings: Findings, now: datetime | None) -> Reading:
    header = read_header(root, findings)
    if now is not None and header.made is not None and header.made.tzinfo and header.made > now:
        findings.add("DATED_IN_FUTURE", "ContentDate")
    evidence = read_evidence(root, header.study_instance_uid, findings)
    content = _content(root, evidence, findings)
    if content is None:
        return Reading("unreadable", findings.as_tuple(), **_identity(root, header))
    return _reading(root, header, evidence, content, findings)


# --- bytes to data set ----------------------------------------------------------------------------


def _scanned(data: bytes, declared: str, findings: Findings) -> DataSet | None:
    if len(data) > MAX_BYTES:
        findings.add("TOO_LARGE", "", f"{len(data)} bytes")
        return None
    try:
        dataset = _scan(data, declared, findings)
    except TooDeepError:
        findings.add("TOO_DEEP")
        return None
    except TooLargeError as error:
        findings.add("TOO_LARGE", "", str(error))
        return None
    except DicomError as error:
        otherwise = _scanned_otherwise(data, declared, findings)
        if otherwise is None:
            findings.add("NOT_READABLE", "", str(error))
        return otherwise
    return dataset


def _scan(data: bytes, transfer_syntax_uid: str, findings: Findings) -> DataSet:
    scanner = DataSetScanner(transfer_syntax_uid, LIMITS)
    scanner.feed(data)
    scanner.finish()
    dataset = scanned(scanner)
    _note_oddities(dataset, transfer_syntax_uid, findings)
    return dataset


def _note_oddities(dataset: DataSet, declared: str, findings: Findings) -> None:
    syntax = lookup(declared)
    # V96: only pixel data can be compressed, and a key object has none.
    if syntax.encapsulated or dataset.encoding is not encodings.declared(syntax):
        findings.add("TRANSFER_SYNTAX", "", dataset.encoding.name)
    if dataset.repeated:
        findings.add("ELEMENT_REPEATED", "", str(dataset.repeated))
    for note in dataset.notes:
        if not note.startswith("declared as"):
            findings.add("STRUCTURE", "", note)


def _scanned_otherwise(data: bytes, declared: str, findings: Findings) -> DataSet | None:
    """Return the data set in the first other transfer syntax in which all of it is a key object."""
    for syntax in _SYNTAXES:
        if syntax == declared:
            continue
        try:
            dataset = _scan(data, syntax, Findings())
        except DicomError:
            continue
        if dataset.text(tags.SOP_CLASS_UID) == KEY_OBJECT_SELECTION:
            findings.add("TRANSFER_SYNTAX", "", lookup(syntax).name)
            return dataset
    return None


# --- data set to reading --------------------------------------------------------------------------


def _content(root: DataSet, evidence: Evidence, findings: Findings) -> Content | None:
    """Return the content tree; None if it is beyond the limits."""
    try:
        return read_content(root, evidence, findings)
    except TooDeepContentError:
        findings.add("TOO_DEEP", "ContentSequence")
    except TooManyReferencesError:
        findings.add("TOO_LARGE", "ContentSequence", f"more than {MAX_REFERENCES} references")
    return None


def _reading(
    root: DataSet, header: Header, evidence: Evidence, content: Content, findings: Findings
) -> Reading:
    title = read_title(root, findings)
    check_modifiers(title, content.modifiers, findings)
    references, references_from = _flagged(evidence, content, findings)
    if title is None or title_group(title) is not TitleGroup.MANIFEST:
        _check_surplus(evidence, content, references_from, findings)
    identical = read_identical_documents(root, header.sop_instance_uid, findings)
    _check_references(header, references, evidence, findings)
    studies = {reference.instance.study_instance_uid for reference in references} - {""}
    _check_studies(header, studies, {copy.study_instance_uid for copy in identical}, findings)
    distinct = _distinct(references, findings)
    if len(content.descriptions) > 1:
        findings.add("DESCRIPTION_SEVERAL", "ContentSequence")
    found = findings.as_tuple()
    registration = _registration(found)
    readable = registration != "unreadable"
    return Reading(
        registration,
        found,
        **_identity(root, header),
        title=title,
        modifiers=tuple(content.modifiers),
        procedure_codes=tuple(content.procedure_codes),
        descriptions=tuple(content.texts),
        language=content.language.value if content.language else "",
        language_scheme=content.language.scheme if content.language else "",
        observers=observers(content.observer_items),
        references=tuple(references) if readable else (),
        distinct_references=distinct if readable else (),
        references_from=references_from if readable else "",
        broken_references=(*content.broken, *evidence.broken),
        evidence=tuple(evidence.instances.values()),
        identical_documents=identical,
        requests=header.requests,
    )


def _identity(root: DataSet, header: Header) -> dict[str, Any]:
    """Return what the header tells of a document: its identity, its patient, and when it was made."""
    return {
        "sop_class_uid": header.sop_class_uid,
        "sop_instance_uid": header.sop_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "patient_id": header.patient_id,
        "issuer_of_patient_id": header.issuer_of_patient_id,
        "patient_name": header.patient_name,
        "modality": header.modality,
        "manufacturer": header.manufacturer,
        "series_description": header.series_description,
        "content_date": header.content_date,
        "content_time": header.content_time,
        "timezone": header.timezone,
        "made": header.made,
        "dataset": root,
    }


def _registration(found: tuple[Finding, ...]) -> Registration:
    severities = {finding.severity for finding in found}
    if "error" in severities:
        return "unreadable"
    return "registered with findings" if "warning" in severities else "registered"


def _flagged(
    evidence: Evidence, content: Content, findings: Findings
) -> tuple[list[ReadReference], ReferencesFrom]:
    """Return the flagged references, and the part of the document that has them."""
    if not evidence.instances:
        findings.add("EVIDENCE_MISSING", EVIDENCE)
    if content.root_references:
        return _with_frames(content.root_references, evidence, findings), "content"
    if content.nested_references:
        findings.add("REFS_IN_IMAGE_LIBRARY", "ContentSequence")
        return _with_frames(content.nested_references, evidence, findings), "image library"
    if evidence.instances:
        findings.add("CONTENT_REFS_MISSING", "ContentSequence")
        references = [ReadReference(instance) for instance in evidence.instances.values()]
        if len(references) > MAX_REFERENCES:
            findings.add("TOO_LARGE", EVIDENCE, f"more than {MAX_REFERENCES} references")
        return _with_frames(references, evidence, findings), "evidence"
    broken = content.broken or evidence.broken
    findings.add("ALL_REFERENCES_BROKEN" if broken else "NO_REFERENCES", "ContentSequence")
    return [], ""


def _with_frames(
    references: list[ReadReference], evidence: Evidence, findings: Findings
) -> list[ReadReference]:
    """Add the frame numbers of the evidence to references without frames (V27)."""
    if not evidence.frames:
        return references
    return [_with_frames_of(evidence, reference, findings) for reference in references]


def _with_frames_of(evidence: Evidence, reference: ReadReference, findings: Findings) -> ReadReference:
    frames = evidence.frames.get(reference.sop_instance_uid)
    if reference.frames or not frames:
        return reference
    if sop_classes.has_one_frame(reference.sop_class_uid):
        findings.add("FRAMES_ON_SINGLE_FRAME", EVIDENCE, reference.sop_instance_uid)
        return reference
    return replace(reference, frames=frames)


def _check_surplus(
    evidence: Evidence, content: Content, references_from: ReferencesFrom, findings: Findings
) -> None:
    """Add a finding about instances of the evidence that the content does not name (V07)."""
    if references_from == "evidence":
        return
    named = {
        reference.instance.sop_instance_uid
        for references in (content.root_references, content.nested_references)
        for reference in references
    }
    surplus = evidence.instances.keys() - named - content.applied
    for uid in filter(surplus.__contains__, evidence.instances) if surplus else ():
        findings.add("EVIDENCE_EXTRA", EVIDENCE, uid)


def _check_references(
    header: Header, references: list[ReadReference], evidence: Evidence, findings: Findings
) -> None:
    """Check each reference against the document and its evidence. Nearly all name one instance and no more."""
    listed, own, own_series = evidence.instances, header.sop_instance_uid, header.series_instance_uid
    for number, reference in enumerate(references, 1):
        instance = reference.instance
        if instance.sop_instance_uid == own:
            findings.add("REF_SELF", f"reference {number}")
        if listed and (instance.sop_instance_uid not in listed or not reference.is_single):
            for named in reference.instances:
                if named.sop_instance_uid not in listed:
                    findings.add("REF_NOT_IN_EVIDENCE", f"reference {number}", named.sop_instance_uid)
        if (
            own_series
            and instance.series_instance_uid == own_series
            and instance.sop_class_uid != KEY_OBJECT_SELECTION
        ):
            findings.add("SERIES_MIXED", "SeriesInstanceUID")


def _check_studies(header: Header, studies: set[str], copies: set[str], findings: Findings) -> None:
    """Check that a document about several studies has a copy in each (PS3.3 C.17.6.2.1)."""
    if studies and header.study_instance_uid and header.study_instance_uid not in studies:
        findings.add("OWN_STUDY_NOT_REFERENCED", "StudyInstanceUID")
    if len(studies) > 1 and not copies:
        findings.add("NO_IDENTICAL_DOCUMENTS", "IdenticalDocumentsSequence")
    elif copies:
        for study in sorted(studies - copies - {header.study_instance_uid}):
            findings.add("IDENTICAL_INCOMPLETE", "IdenticalDocumentsSequence", study)
    for number, request in enumerate(header.requests, 1):
        named = request.study_instance_uid
        if named and named != header.study_instance_uid and named not in studies:
            findings.add("REQUEST_MISMATCH", f"ReferencedRequestSequence[{number}]", named)


def _distinct(references: list[ReadReference], findings: Findings) -> tuple[ReadReference, ...]:
    """Return each reference once. The same instance with other frames or another presentation state is another one."""
    if len({reference.instance.sop_instance_uid for reference in references}) == len(references):
        return tuple(references)
    distinct: dict[object, ReadReference] = {}
    for reference in references:
        key = (
            reference.instance.sop_instance_uid,
            reference.frames,
            reference.segments,
            reference.waveform_channels,
            reference.presentation_state_uid,
        )
        if key in distinct:
            findings.add("REF_DUPLICATE", "ContentSequence", reference.instance.sop_instance_uid)
        else:
            distinct[key] = reference
    return tuple(distinct.values())
