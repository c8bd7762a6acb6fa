"""Makes a document from a reading. A document that Kinote wrote is rebuilt to the same bytes (law 11)."""

from __future__ import annotations

from typing import Any

from kinote.dicom.dictionary import tags
from kinote.dicom.elements.dataset import DataSet
from kinote.keyobject.model import (
    Device,
    DocumentContext,
    InstanceReference,
    InvalidKeyObjectError,
    KeyObjectDocument,
    KeyObjectSelection,
    Observer,
    Person,
    Reference,
    RequestReference,
)
from kinote.keyobject.reading import FoundInstance, FoundObserver, Reading, ReadReference

#: Attributes of the header that are copied as text.
_TEXTS = (
    ("content_date", tags.CONTENT_DATE),
    ("content_time", tags.CONTENT_TIME),
    ("timezone", tags.TIMEZONE_OFFSET_FROM_UTC),
    ("series_description", tags.SERIES_DESCRIPTION),
    ("manufacturer", tags.MANUFACTURER),
    ("institution_name", tags.INSTITUTION_NAME),
    ("patient_name", tags.PATIENT_NAME),
    ("patient_id", tags.PATIENT_ID),
    ("issuer_of_patient_id", tags.ISSUER_OF_PATIENT_ID),
    ("patient_birth_date", tags.PATIENT_BIRTH_DATE),
    ("patient_sex", tags.PATIENT_SEX),
    ("study_date", tags.STUDY_DATE),
    ("study_time", tags.STUDY_TIME),
    ("study_id", tags.STUDY_ID),
    ("study_description", tags.STUDY_DESCRIPTION),
    ("accession_number", tags.ACCESSION_NUMBER),
    ("referring_physician_name", tags.REFERRING_PHYSICIAN_NAME),
)


def document_of(reading: Reading) -> KeyObjectDocument:
    """Return the document that was read, if it can be a document of Kinote.

    Raises `InvalidKeyObjectError` if it cannot be: unreadable, or not allowed by the model. Attributes that the
    model does not have are left out, so only a document that Kinote wrote is rebuilt completely.
    """
    if reading.registration == "unreadable" or reading.dataset is None or reading.title is None:
        raise InvalidKeyObjectError("registration", "an unreadable or untitled key object is no document")
    selection = KeyObjectSelection(
        title=reading.title,
        references=tuple(_reference(reference) for reference in reading.references),
        modifiers=reading.modifiers,
        description=reading.description,
        language=reading.language,
        observers=tuple(_observer(observer) for observer in reading.observers),
        procedure_codes=reading.procedure_codes,
    )
    return KeyObjectDocument(_context(reading, reading.dataset), selection)


def _context(reading: Reading, dataset: DataSet) -> DocumentContext:
    texts: dict[str, Any] = {attribute: dataset.text(tag) or "" for attribute, tag in _TEXTS}
    return DocumentContext(
        study_instance_uid=reading.study_instance_uid,
        series_instance_uid=reading.series_instance_uid,
        sop_instance_uid=reading.sop_instance_uid,
        series_number=_number(dataset, tags.SERIES_NUMBER, "series_number"),
        instance_number=_number(dataset, tags.INSTANCE_NUMBER, "instance_number"),
        requests=tuple(
            RequestReference(
                study_instance_uid=request.study_instance_uid,
                accession_number=request.accession_number,
                requested_procedure_id=request.requested_procedure_id,
                requested_procedure_description=request.requested_procedure_description,
                placer_order_number=request.placer_order_number,
                filler_order_number=request.filler_order_number,
                requested_procedure_code=request.requested_procedure_code,
            )
            for request in reading.requests
        ),
        identical_documents=tuple(_instance(copy) for copy in reading.identical_documents),
        **texts,
    )


def _number(dataset: DataSet, tag: int, name: str) -> int:
    number = dataset.integer(tag)
    if number is None:
        raise InvalidKeyObjectError(name, "is missing")
    return number


def _reference(found: ReadReference) -> Reference:
    return Reference(
        _instance(found.instance),
        frames=found.frames,
        segments=found.segments,
        waveform_channels=found.waveform_channels,
        presentation_state=_instance(found.presentation_state) if found.presentation_state else None,
        real_world_value_maps=tuple(_instance(value_map) for value_map in found.real_world_value_maps),
    )


def _instance(found: FoundInstance) -> InstanceReference:
    return InstanceReference(
        found.study_instance_uid, found.series_instance_uid, found.sop_class_uid, found.sop_instance_uid
    )


def _observer(found: FoundObserver) -> Observer:
    if found.kind == "device":
        return Device(found.uid, found.name)
    return Person(found.name, found.login)
