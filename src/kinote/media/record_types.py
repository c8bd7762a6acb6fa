"""The types of directory records with their keys (PS3.3 F.5), and which type an object has (PS3.3 Table F.4-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword

from kinote.dicom.dictionary import sop_classes


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a directory record: an attribute, its value representation, and its type: 1, 1C, 2 or 3.

    A key of type 1C or 3 is in the record if the object has it.
    """

    keyword: str
    tag: int
    vr: str
    type: str


@dataclass(frozen=True, slots=True)
class RecordType:
    """A type of directory record: its name, its clause in PS3.3, and its keys in the order of their tags."""

    name: str
    clause: str
    keys: tuple[Key, ...]


#: The Content Identification Macro (PS3.3 Table 10-12), as far as it has keys.
_CONTENT = "InstanceNumber 1, ContentLabel 1, ContentDescription 2, ContentCreatorName 2"
_DATED = "ContentDate 1, ContentTime 1"

_TABLE: tuple[tuple[str, str, str], ...] = (
    ("PATIENT", "F.5.1", "PatientName 2, PatientID 1, PatientBirthDate 3, PatientSex 3"),
    (
        *("STUDY", "F.5.2"),
        "StudyDate 1, StudyTime 1, StudyDescription 2, StudyInstanceUID 1, StudyID 1, AccessionNumber 2",
    ),
    ("SERIES", "F.5.3", "Modality 1, SeriesInstanceUID 1, SeriesNumber 1"),
    ("IMAGE", "F.5.4", "InstanceNumber 1"),
    ("RT DOSE", "F.5.19", "InstanceNumber 1, DoseSummationType 1"),
    (
        *("RT STRUCTURE SET", "F.5.20"),
        "InstanceNumber 1, StructureSetLabel 1, StructureSetDate 2, StructureSetTime 2",
    ),
    ("RT PLAN", "F.5.21", "InstanceNumber 1, RTPlanLabel 1, RTPlanDate 2, RTPlanTime 2"),
    ("RT TREAT RECORD", "F.5.22", "InstanceNumber 1, TreatmentDate 2, TreatmentTime 2"),
    (
        *("PRESENTATION", "F.5.23"),
        (
            "PresentationCreationDate 1, PresentationCreationTime 1, "
            f"{_CONTENT}, ReferencedSeriesSequence 1C, BlendingSequence 1C"
        ),
    ),
    ("WAVEFORM", "F.5.24", f"InstanceNumber 1, {_DATED}"),
    (
        *("SR DOCUMENT", "F.5.25"),
        (
            f"InstanceNumber 1, CompletionFlag 1, VerificationFlag 1, {_DATED}, VerificationDateTime 1C, "
            "ConceptNameCodeSequence 1, ContentSequence 1C"
        ),
    ),
    (
        *("KEY OBJECT DOC", "F.5.26"),
        f"InstanceNumber 1, {_DATED}, ConceptNameCodeSequence 1, ContentSequence 1C",
    ),
    (
        *("SPECTROSCOPY", "F.5.27"),
        (
            f"ImageType 1, {_DATED}, InstanceNumber 1, ReferencedImageEvidenceSequence 1C, "
            "NumberOfFrames 1, Rows 1, Columns 1, DataPointRows 1, DataPointColumns 1"
        ),
    ),
    ("RAW DATA", "F.5.28", f"{_DATED}, InstanceNumber 2"),
    ("REGISTRATION", "F.5.29", f"{_DATED}, {_CONTENT}"),
    ("FIDUCIAL", "F.5.30", f"{_DATED}, {_CONTENT}"),
    (
        *("HANGING PROTOCOL", "F.5.31"),
        (
            "HangingProtocolName 1, HangingProtocolDescription 1, HangingProtocolLevel 1, HangingProtocolCreator 1, "
            "HangingProtocolCreationDateTime 1, HangingProtocolDefinitionSequence 1, NumberOfPriorsReferenced 1, "
            "HangingProtocolUserIdentificationCodeSequence 2"
        ),
    ),
    (
        *("ENCAP DOC", "F.5.32"),
        (
            "ContentDate 2, ContentTime 2, InstanceNumber 1, DocumentTitle 2, HL7InstanceIdentifier 1C, "
            "ConceptNameCodeSequence 2, MIMETypeOfEncapsulatedDocument 1"
        ),
    ),
    ("VALUE MAP", "F.5.34", f"{_DATED}, {_CONTENT}"),
    ("STEREOMETRIC", "F.5.35", ""),
    ("PALETTE", "F.5.36", "ContentLabel 1, ContentDescription 2"),
    ("PLAN", "F.5.40", ""),
    ("MEASUREMENT", "F.5.41", f"{_DATED}, {_CONTENT}"),
    ("SURFACE", "F.5.42", f"{_DATED}, {_CONTENT}"),
    ("SURFACE SCAN", "F.5.43", _DATED),
    ("TRACT", "F.5.44", f"{_DATED}, {_CONTENT}"),
    ("ASSESSMENT", "F.5.45", "InstanceNumber 1, InstanceCreationDate 1, InstanceCreationTime 2"),
    (
        *("RADIOTHERAPY", "F.5.46"),
        (
            "InstanceNumber 1, UserContentLabel 1C, UserContentLongLabel 1C, "
            "ContentDescription 2, ContentCreatorName 2"
        ),
    ),
    ("ANNOTATION", "F.5.47", f"{_DATED}, {_CONTENT}"),
    ("PRIVATE", "F.6.1", ""),
)


def _key(text: str) -> Key:
    keyword, _, kind = text.partition(" ")
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return Key(keyword, tag, dictionary_VR(tag), kind)


@cache
def record_types() -> dict[str, RecordType]:
    """Return all types of directory records by their names."""
    made = {}
    for name, clause, keys in _TABLE:
        read = sorted((_key(text) for text in keys.split(", ") if text), key=lambda key: key.tag)
        made[name] = RecordType(name, clause, tuple(read))
    return made


_STORAGE = "1.2.840.10008.5.1.4.1.1."

#: Types of record by SOP Class UID, without the prefix of storage classes (PS3.4 Table B.5-1).
_BY_CLASS: dict[str, str] = {
    **{
        f"{_STORAGE}{number}": name
        for name, numbers in (
            ("RT DOSE", "481.2"),
            ("RT STRUCTURE SET", "481.3"),
            ("RT PLAN", "481.5 481.8"),
            ("RT TREAT RECORD", "481.4 481.6 481.7 481.9"),
            ("KEY OBJECT DOC", "88.59"),
            ("SPECTROSCOPY", "4.2"),
            ("RAW DATA", "66"),
            ("REGISTRATION", "66.1 66.3"),
            ("FIDUCIAL", "66.2"),
            ("VALUE MAP", "67"),
            ("SURFACE", "66.5"),
            ("TRACT", "66.6"),
            ("SURFACE SCAN", "68.1 68.2"),
            ("STEREOMETRIC", "77.1.5.3"),
            ("MEASUREMENT", "78.1 78.2 78.3 78.4 78.5 78.7 80.1"),
            ("SR DOCUMENT", "78.6 79.1"),
            ("ENCAP DOC", "104.1 104.2 104.3 104.4 104.5"),
            ("ASSESSMENT", "90.1"),
            ("ANNOTATION", "91.1"),
            (
                "RADIOTHERAPY",
                "481.10 481.11 481.12 481.13 481.14 481.15 481.16 481.17 481.18 481.19 481.20 481.21",
            ),
            ("PRESENTATION", "131"),
        )
        for number in numbers.split()
    },
    "1.2.840.10008.5.1.4.34.7": "PLAN",
    "1.2.840.10008.5.1.4.34.10": "PLAN",
}

#: Types by the beginning of a SOP Class UID, the first that fits.
_BY_PREFIX: tuple[tuple[str, str], ...] = (
    *((prefix, "PRESENTATION") for prefix in sop_classes.PRESENTATION_STATES),
    (f"{_STORAGE}9.", "WAVEFORM"),
    (f"{_STORAGE}88.", "SR DOCUMENT"),
)


def record_type_of(sop_class_uid: str, *, has_pixels: Callable[[], bool] = lambda: False) -> str:
    """Return the type of record of an object: PRIVATE for a class of which PS3.3 F.4 says none.

    An object of an unknown class is an image if it `has_pixels`.
    """
    found = _BY_CLASS.get(sop_class_uid)
    if found is None:
        found = next((name for prefix, name in _BY_PREFIX if sop_class_uid.startswith(prefix)), None)
    if found is None and (sop_classes.is_image(sop_class_uid) or has_pixels()):
        found = "IMAGE"
    return found or "PRIVATE"
