"""Files as viewers write marks into them, made after the source code of these viewers; docs/migration.md says how."""

from __future__ import annotations

import io
import plistlib
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

CT, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
BASIC_TEXT, COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.34"
GRAYSCALE_STATE = "1.2.840.10008.5.1.4.1.1.11.1"


def written(described: Dataset) -> bytes:
    """A data set as a file with its preamble and meta information."""
    described.file_meta = FileMetaDataset()
    described.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    described.file_meta.MediaStorageSOPClassUID = UID(described.SOPClassUID)
    described.file_meta.MediaStorageSOPInstanceUID = UID(described.SOPInstanceUID)
    buffer = io.BytesIO()
    dcmwrite(buffer, described, enforce_file_format=True)
    return buffer.getvalue()


def instance(uid: str, sop_class: str = CT, **attributes: Any) -> Dataset:
    """An object whose UID begins with those of its series and study."""
    described = Dataset()
    described.SOPClassUID, described.SOPInstanceUID = sop_class, uid
    described.SeriesInstanceUID = uid.rpartition(".")[0]
    described.StudyInstanceUID = described.SeriesInstanceUID.rpartition(".")[0]
    described.PatientID, described.PatientName, described.IssuerOfPatientID = "P1", "Doe^Jane", "HOSPITAL"
    for name, value in attributes.items():
        setattr(described, name, value)
    return described


def image(uid: str, marked: str | list[str] = "", **attributes: Any) -> bytes:
    """An image, into which Horos has written that it is a key image (`DicomImage.m`, setIsKeyImage)."""
    described = instance(uid, ENHANCED_CT if "NumberOfFrames" in attributes else CT, **attributes)
    if marked:
        described.FrameOfInterestDescription = marked
    described.Rows = described.Columns = 16
    described.BitsAllocated, described.BitsStored, described.HighBit, described.PixelRepresentation = (
        16,
        12,
        11,
        0,
    )
    described.SamplesPerPixel, described.PhotometricInterpretation = 1, "MONOCHROME2"
    described.PixelData = bytes(512 * int(attributes.get("NumberOfFrames", 1)))
    return written(described)


def osirix_report(uid: str, description: str, document: bytes, **attributes: Any) -> bytes:
    """A report that Horos writes for itself (`SRAnnotation.mm`, writeToFileAtPath)."""
    described = instance(
        uid, BASIC_TEXT, Modality="SR", SeriesNumber=5004, Manufacturer="Horos", **attributes
    )
    described.SeriesDescription = description
    described.EncapsulatedDocument = document + bytes(len(document) % 2)
    return written(described)


def annotations_report(uid: str, study: dict[str, Any], **attributes: Any) -> bytes:
    """The report of a study with its key images, as a property list (`DicomStudy.m`, annotationsAsDictionary)."""
    document = plistlib.dumps(study, fmt=plistlib.FMT_XML)
    when = {"ContentDate": "20190503", "ContentTime": "140700", **attributes}
    return osirix_report(uid, "OsiriX Annotations SR", document, **when)


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return [item]


def content(relationship: str, value_type: str, concept: list[Dataset] | None, **attributes: Any) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    if concept:
        item.ConceptNameCodeSequence = concept
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def reference(uid: str, frames: list[int] | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    if frames:
        item.ReferencedSOPClassUID, item.ReferencedFrameNumber = ENHANCED_CT, frames
    return item


def measurement_group(tool: str, image_reference: Dataset, label: str = "") -> Dataset:
    """A group of Cornerstone3D (`MeasurementReport.ts`; dcmjs `TID1501MeasurementGroup`, `TID300`'s `Point`)."""
    of_image = content("SELECTED FROM", "IMAGE", None, ReferencedSOPSequence=[image_reference])
    point = content("INFERRED FROM", "SCOORD", None, GraphicType="POINT", GraphicData=[0.0, 0.0])
    point.ContentSequence = [of_image]
    number = content("CONTAINS", "NUM", code("111030", "DCM", "Image Region"), ContentSequence=[point])
    items = [
        content(
            "HAS OBS CONTEXT",
            "TEXT",
            code("112039", "DCM", "Tracking Identifier"),
            TextValue=f"Cornerstone3DTools@^0.1.0:{tool}",
        ),
        content(
            "HAS OBS CONTEXT", "UIDREF", code("112040", "DCM", "Tracking Unique Identifier"), UID="2.25.7"
        ),
    ]
    if label:
        finding = code("CORNERSTONEFREETEXT", "CORNERSTONEJS", label)
        items.append(
            content("CONTAINS", "CODE", code("121071", "DCM", "Finding"), ConceptCodeSequence=finding)
        )
    concept = code("125007", "DCM", "Measurement Group")
    return content(
        "CONTAINS", "CONTAINER", concept, ContinuityOfContent="SEPARATE", ContentSequence=[*items, number]
    )


def measurement_report(uid: str, groups: list[Dataset], images: list[str], observer: str) -> bytes:
    """A measurement report (TID 1500) with such groups."""
    described = instance(uid, COMPREHENSIVE_3D, ContentDate="20260301", ContentTime="091500")
    described.ValueType, described.ConceptNameCodeSequence = (
        "CONTAINER",
        code("126000", "DCM", "Imaging Report"),
    )
    measurements = content(
        "CONTAINS", "CONTAINER", code("126010", "DCM", "Imaging Measurements"), ContentSequence=groups
    )
    by = content(
        "HAS OBS CONTEXT", "PNAME", code("121008", "DCM", "Person Observer Name"), PersonName=observer
    )
    described.ContentSequence = [by, measurements]
    study, series = Dataset(), Dataset()
    series.SeriesInstanceUID = images[0].rpartition(".")[0]
    series.ReferencedSOPSequence = [reference(each) for each in images]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = described.StudyInstanceUID, [series]
    described.CurrentRequestedProcedureEvidenceSequence = [study]
    return written(described)


def presentation_state(uid: str, label: str, images: list[str]) -> bytes:
    """A presentation state by which a viewer has marked images (PS3.3 C.11.10, C.11.11)."""
    described = instance(uid, GRAYSCALE_STATE, ContentLabel=label, ContentDescription="Mass in the left lung")
    described.PresentationCreationDate, described.PresentationCreationTime = "20250402", "101112.5"
    described.ContentCreatorName = "Roe^Richard"
    series = Dataset()
    series.SeriesInstanceUID = images[0].rpartition(".")[0]
    series.ReferencedImageSequence = [reference(each) for each in images]
    described.ReferencedSeriesSequence = [series]
    return written(described)
