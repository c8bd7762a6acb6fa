"""The same key object written and read by Kinote, by pydicom, and by highdicom, as their manuals show it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pydicom
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.check import check_file
from kinote.keyobject.files import read_file
from kinote.keyobject.model import KeyObjectDocument
from kinote.keyobject.model import Reference as ModelReference
from kinote.keyobject.writer import encode_file


class Reference(NamedTuple):
    """A flagged image and where it lies."""

    study: str
    series: str
    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class Library:
    """One way to write and to read.

    `prepare_write` gives what makes the bytes of a file anew each time it is called; `read` gives the
    flagged images of a file; `check` does what it has to see whether a file is right, and says how many faults
    it found; `judge` says in a word what a reader makes of a file.
    """

    prepare_write: Callable[[KeyObjectDocument], Callable[[], bytes]]
    read: Callable[[bytes], list[Reference]]
    check: Callable[[bytes], int]
    judge: Callable[[bytes], str]


# --- Kinote -----------------------------------------------------------------------------------------


def _write_kinote(document: KeyObjectDocument) -> Callable[[], bytes]:
    context, selection = document.context, document.selection
    flagged = [one.instance for one in selection.references]

    def write() -> bytes:
        made = type(selection)(
            selection.title,
            tuple(map(ModelReference, flagged)),
            description=selection.description,
            observers=selection.observers,
        )
        return encode_file(KeyObjectDocument(context, made))

    return write


def _read_kinote(file: bytes) -> list[Reference]:
    return [
        Reference(one.study_instance_uid, one.series_instance_uid, one.sop_class_uid, one.sop_instance_uid)
        for one in read_file(file).distinct_references
    ]


def _check_kinote(file: bytes) -> int:
    return len(check_file(file).findings)


def _judge_kinote(file: bytes) -> str:
    reading = read_file(file)
    return ", ".join((reading.registration, *(found.code for found in reading.findings)))


# --- pydicom ----------------------------------------------------------------------------------------


def _write_pydicom(document: KeyObjectDocument) -> Callable[[], bytes]:
    context, selection = document.context, document.selection
    flagged = [one.instance for one in selection.references]
    series = flagged[0].series_instance_uid

    def write() -> bytes:
        dataset = _item(
            SpecificCharacterSet="ISO_IR 192",
            SOPClassUID=KEY_OBJECT_SELECTION,
            SOPInstanceUID=context.sop_instance_uid,
            StudyDate=context.study_date,
            ContentDate=context.content_date,
            StudyTime=context.study_time,
            ContentTime=context.content_time,
            AccessionNumber=context.accession_number,
            Modality="KO",
            Manufacturer=context.manufacturer,
            ReferringPhysicianName="",
            TimezoneOffsetFromUTC=context.timezone,
            ReferencedPerformedProcedureStepSequence=Sequence(),
            PatientName=context.patient_name,
            PatientID=context.patient_id,
            PatientBirthDate="",
            PatientSex="",
            StudyInstanceUID=context.study_instance_uid,
            SeriesInstanceUID=context.series_instance_uid,
            StudyID="",
            SeriesNumber=1,
            InstanceNumber=1,
            ValueType="CONTAINER",
            ConceptNameCodeSequence=_code(selection.title.value, "DCM", selection.title.meaning),
            ContinuityOfContent="SEPARATE",
            CurrentRequestedProcedureEvidenceSequence=Sequence(
                [
                    _item(
                        ReferencedSeriesSequence=Sequence(
                            [
                                _item(
                                    ReferencedSOPSequence=Sequence(
                                        _reference_item(one.sop_class_uid, one.sop_instance_uid)
                                        for one in flagged
                                    ),
                                    SeriesInstanceUID=series,
                                )
                            ]
                        ),
                        StudyInstanceUID=context.study_instance_uid,
                    )
                ]
            ),
            ContentTemplateSequence=Sequence([_item(MappingResource="DCMR", TemplateIdentifier="2010")]),
            ContentSequence=Sequence(_content(document)),
        )
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = UID(KEY_OBJECT_SELECTION)
        dataset.file_meta.MediaStorageSOPInstanceUID = UID(context.sop_instance_uid)
        return _saved(dataset)

    return write


def _content(document: KeyObjectDocument) -> Iterable[Dataset]:
    selection = document.selection
    yield _item(
        RelationshipType="CONTAINS",
        ValueType="TEXT",
        ConceptNameCodeSequence=_code("113012", "DCM", "Key Object Description"),
        TextValue=selection.description,
    )
    for one in selection.references:
        yield _item(
            ReferencedSOPSequence=Sequence(
                [_reference_item(one.instance.sop_class_uid, one.instance.sop_instance_uid)]
            ),
            RelationshipType="CONTAINS",
            ValueType="IMAGE",
        )


def _reference_item(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    return _item(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    return Sequence([_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _saved(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _read_pydicom(file: bytes) -> list[Reference]:
    dataset = pydicom.dcmread(io.BytesIO(file))
    places = {
        str(item.ReferencedSOPInstanceUID): (str(study.StudyInstanceUID), str(series.SeriesInstanceUID))
        for study in dataset.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    return [
        Reference(*places[uid], str(item.ReferencedSOPSequence[0].ReferencedSOPClassUID), uid)
        for item in dataset.ContentSequence
        if "ReferencedSOPSequence" in item
        and (uid := str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID))
    ]


def _check_pydicom(file: bytes) -> int:
    """Every value of every element by its representation: all that pydicom checks."""
    faults = 0
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        for _ in pydicom.dcmread(io.BytesIO(file)).iterall():
            pass
    except ValueError:
        faults += 1
    finally:
        config.settings.reading_validation_mode = before
    return faults


def _judge_pydicom(file: bytes) -> str:
    try:
        return f"read, {len(_read_pydicom(file))} references"
    except Exception as error:  # whatever it raises is what a user is told
        return type(error).__name__


# --- highdicom --------------------------------------------------------------------------------------


def _write_highdicom(document: KeyObjectDocument) -> Callable[[], bytes]:
    context, selection = document.context, document.selection
    images = [
        _item(
            SOPClassUID=one.instance.sop_class_uid,
            SOPInstanceUID=one.instance.sop_instance_uid,
            StudyInstanceUID=one.instance.study_instance_uid,
            SeriesInstanceUID=one.instance.series_instance_uid,
            PatientName=context.patient_name,
            PatientID=context.patient_id,
            PatientBirthDate="",
            PatientSex="",
            StudyDate=context.study_date,
            StudyTime=context.study_time,
            StudyID="",
            AccessionNumber=context.accession_number,
            ReferringPhysicianName="",
            Modality="CT",
            Rows=512,
            Columns=512,
        )
        for one in selection.references
    ]

    def write() -> bytes:
        content = KeyObjectSelection(codes.DCM.OfInterest, images, description=selection.description)
        return _saved(
            KeyObjectSelectionDocument(
                images,
                content,
                context.series_instance_uid,
                1,
                context.sop_instance_uid,
                1,
                manufacturer=context.manufacturer,
            )
        )

    return write


def _read_highdicom(file: bytes) -> list[Reference]:
    document = KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(io.BytesIO(file)))
    found = []
    for item in document.content.get_references():
        study, series, _ = document.resolve_reference(item.referenced_sop_instance_uid)
        found.append(
            Reference(study, series, item.referenced_sop_class_uid, item.referenced_sop_instance_uid)
        )
    return found


def _check_highdicom(file: bytes) -> int:
    """It reads strictly or not at all: that is all the checking there is."""
    try:
        KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(io.BytesIO(file)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return 1
    return 0


def _judge_highdicom(file: bytes) -> str:
    try:
        return f"read, {len(_read_highdicom(file))} references"
    except Exception as error:  # whatever it raises is what a user is told
        return type(error).__name__


#: By name, Kinote first.
LIBRARIES = {
    "Kinote": Library(_write_kinote, _read_kinote, _check_kinote, _judge_kinote),
    "pydicom": Library(_write_pydicom, _read_pydicom, _check_pydicom, _judge_pydicom),
    "highdicom": Library(_write_highdicom, _read_highdicom, _check_highdicom, _judge_highdicom),
}
