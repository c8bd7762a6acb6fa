"""What can come into the product that the laws are held against: images and key objects, as files.

Everything about an arrival follows from its description, so that the model knows what it says without
reading it. All are made with pydicom alone, as others make them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

#: Two studies of one patient, and one of another.
FIRST, SECOND, OTHER = "1.2.1", "1.2.2", "1.3.1"
STUDIES = (FIRST, SECOND, OTHER)
PATIENTS = {FIRST: "P1", SECOND: "P1", OTHER: "P2"}

#: A study that documents name and nothing ever comes to.
NOWHERE = "1.9.9"

CT = "1.2.840.10008.5.1.4.1.1.2"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
STATE = "1.2.840.10008.5.1.4.1.1.11.1"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"

#: The number of the image with frames, of the one too large for memory, of the state without pixels.
FRAMES, LARGE, NO_PIXELS = 4, 3, 5
NUMBERS = (1, 2, LARGE, FRAMES, NO_PIXELS)
NUMBER_OF_FRAMES = 5

#: Document titles (CID 7010) by what they are for.
TITLES = {
    "mark": ("113000", "Of Interest"),
    "rejection": ("113001", "Rejected for Quality Reasons"),
    "safety": ("113037", "Rejected for Patient Safety Reasons"),
    "worklist": ("113038", "Incorrect Modality Worklist Entry"),
    "expired": ("113039", "Data Retention Policy Expired"),
    "manifest": ("113030", "Manifest"),
}


def image_uid(study: str, number: int) -> str:
    return f"{study}.1.{number}"


def study_in(uid: str) -> str:
    """The study that an image's UID begins with."""
    return uid.rpartition(".")[0].rpartition(".")[0]


def series_in(study: str, uid: str) -> str:
    """The series of a study that an instance lies in, as its UID says; a document made here says nothing."""
    return f"{study}.{uid.split('.')[-2]}" if study_in(uid) in STUDIES else f"{study}.1"


def class_of(uid: str) -> str:
    """The class of the image or document with this UID."""
    if uid.split(".")[-2] == "70" or uid.startswith("2.25."):
        return KEY_OBJECT
    return {FRAMES: ULTRASOUND, NO_PIXELS: STATE}.get(int(uid.rpartition(".")[2]), CT)


def data_set(file: bytes) -> bytes:
    """What follows the file meta information, by its length (PS3.10 7.1)."""
    assert file[128:140] == b"DICM\x02\x00\x00\x00UL\x04\x00"
    return file[144 + int.from_bytes(file[140:144], "little") :]


@dataclass(frozen=True, slots=True)
class Image:
    """An image under the UID that belongs to study and number; `content` makes others of the same UID.

    `strays_to` is the study it says it lies in, where that is not its own.
    """

    study: str
    number: int
    content: int = 0
    implicit: bool = False
    strays_to: str = ""

    @property
    def uid(self) -> str:
        return image_uid(self.study, self.number)

    @property
    def lies_in(self) -> str:
        return self.strays_to or self.study

    @property
    def series(self) -> str:
        return f"{self.lies_in}.1"

    @property
    def sop_class(self) -> str:
        return class_of(self.uid)

    @property
    def transfer_syntax(self) -> str:
        return str(ImplicitVRLittleEndian if self.implicit else ExplicitVRLittleEndian)

    @property
    def file(self) -> bytes:
        return _image_file(self)


@dataclass(frozen=True, slots=True)
class Flag:
    """An instance that a document flags, and the study it says this lies in."""

    uid: str
    said_study: str


def flag(uid: str) -> Flag:
    """An image flagged where it lies."""
    return Flag(uid, study_in(uid))


@dataclass(frozen=True, slots=True)
class KeyObject:
    """A key object from elsewhere. `copies` are the documents it names as identical to itself.

    With `only_listed` it names its images in the evidence alone, as Weasis does.
    """

    study: str
    number: int
    flags: tuple[Flag, ...]
    kind: str = "mark"
    text: str = ""
    copies: tuple[str, ...] = ()
    broken: bool = False
    only_listed: bool = False

    @property
    def uid(self) -> str:
        return f"{self.study}.70.{self.number}"

    @property
    def lies_in(self) -> str:
        return self.study

    @property
    def series(self) -> str:
        return f"{self.study}.70"

    @property
    def sop_class(self) -> str:
        return KEY_OBJECT

    @property
    def transfer_syntax(self) -> str:
        return str(ExplicitVRLittleEndian)

    @property
    def content(self) -> tuple[object, ...]:
        """What makes two documents say the same; author and time are those of all."""
        return (self.kind, self.text, tuple(each.uid for each in self.flags))

    @property
    def file(self) -> bytes:
        return _broken_file(self) if self.broken else _document_file(self)


Arriving = Image | KeyObject


@lru_cache(maxsize=4096)
def _image_file(image: Image) -> bytes:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = image.sop_class, image.uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = image.lies_in, image.series
    dataset.PatientID = PATIENTS[image.lies_in]
    dataset.PatientName = f"Patient^{PATIENTS[image.lies_in]}"
    dataset.StudyDate = "20261123"
    dataset.Modality = "CT"
    dataset.InstanceNumber = image.number
    dataset.ImageComments = f"content {image.content}"
    if image.number != NO_PIXELS:
        _add_pixels(dataset, image)
    return _as_file(dataset, image.transfer_syntax)


def _add_pixels(dataset: Dataset, image: Image) -> None:
    frames = NUMBER_OF_FRAMES if image.number == FRAMES else 1
    side = 200 if image.number == LARGE else 8
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.PixelData = bytes([image.content, 0]) * (side * side * frames)
    dataset["PixelData"].VR = "OW"


def _as_file(dataset: Dataset, transfer_syntax: str) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@lru_cache(maxsize=4096)
def _document_file(described: KeyObject) -> bytes:
    """As careless senders write it: over several studies without copies in each of them, for one."""
    dataset = _document(described)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ContentDate, dataset.ContentTime = "20261101", "101112"
    dataset.TimezoneOffsetFromUTC = "+0100"
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [_code(*TITLES[described.kind])]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    dataset.ContentTemplateSequence = [template]
    dataset.CurrentRequestedProcedureEvidenceSequence = [
        _listed(each.said_study, series_in(each.said_study, each.uid), class_of(each.uid), each.uid)
        for each in described.flags
    ]
    if described.copies:
        dataset.IdenticalDocumentsSequence = [
            _listed(study_in(uid), uid.rpartition(".")[0], KEY_OBJECT, uid) for uid in described.copies
        ]
    content = [
        _item("HAS OBS CONTEXT", "PNAME", _code("121008", "Person Observer Name"), PersonName="Far^Away")
    ]
    if described.text:
        text = _item("CONTAINS", "TEXT", _code("113012", "Key Object Description"), TextValue=described.text)
        content.append(text)
    dataset.ContentSequence = (
        content if described.only_listed else [*content, *map(_flagging, described.flags)]
    )
    return _as_file(dataset, described.transfer_syntax)


@lru_cache(maxsize=4096)
def _broken_file(described: KeyObject) -> bytes:
    """A key object without content and evidence: there is nothing in it that could be understood."""
    dataset = _document(described)
    dataset.ImageComments = described.text
    return _as_file(dataset, described.transfer_syntax)


def _document(described: KeyObject) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = described.sop_class, described.uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = described.study, described.series
    dataset.PatientID = PATIENTS[described.study]
    dataset.PatientName = f"Patient^{PATIENTS[described.study]}"
    dataset.Modality, dataset.InstanceNumber = "KO", described.number
    return dataset


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _item(relationship: str, value_type: str, concept: Dataset | None, **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relationship, value_type
    if concept is not None:
        item.ConceptNameCodeSequence = [concept]
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _flagging(flag: Flag) -> Dataset:
    value_type = "COMPOSITE" if class_of(flag.uid) in (STATE, KEY_OBJECT) else "IMAGE"
    return _item("CONTAINS", value_type, None, ReferencedSOPSequence=[_sop(class_of(flag.uid), flag.uid)])


def _sop(sop_class: str, uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, uid
    return reference


def _listed(study: str, series: str, sop_class: str, uid: str) -> Dataset:
    """An item of the hierarchical reference macro (PS3.3 table C.17-3)."""
    in_series = Dataset()
    in_series.SeriesInstanceUID, in_series.ReferencedSOPSequence = series, [_sop(sop_class, uid)]
    in_study = Dataset()
    in_study.StudyInstanceUID, in_study.ReferencedSeriesSequence = study, [in_series]
    return in_study
