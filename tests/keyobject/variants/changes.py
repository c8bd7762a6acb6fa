"""In which ways documents of the field differ from a good one: changes to a data set, and to its bytes."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.keyobject.documents import GSPS
from tests.keyobject.variants.variant import STUDY, Change

EVIDENCE = "CurrentRequestedProcedureEvidenceSequence"

#: A study that documents name beside their own, of the same patient.
OTHER_STUDY = f"{STUDY}.99"

#: A study of the document itself, where it does not lie with its images.
OWN_STUDY = f"{STUDY}.55"


def images(dataset: Dataset) -> list[Dataset]:
    return [item for item in dataset.ContentSequence if item.get("ValueType") == "IMAGE"]


def sop(dataset: Dataset, number: int = 0) -> Dataset:
    referenced: Dataset = images(dataset)[number].ReferencedSOPSequence[0]
    return referenced


def listed(dataset: Dataset, number: int = 0) -> Dataset:
    """An instance as the evidence lists it."""
    found: Dataset = series(dataset).ReferencedSOPSequence[number]
    return found


def series(dataset: Dataset) -> Dataset:
    found: Dataset = dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    return found


def without(name: str) -> Change:
    return lambda dataset: delattr(dataset, name)


def having(**attributes: object) -> Change:
    def change(dataset: Dataset) -> None:
        for name, value in attributes.items():
            setattr(dataset, name, value)

    return change


def content(select: Callable[[Dataset], list[Dataset]]) -> Change:
    def change(dataset: Dataset) -> None:
        dataset.ContentSequence = select(dataset)

    return change


def titled(**attributes: str) -> Change:
    def change(dataset: Dataset) -> None:
        for name, value in attributes.items():
            setattr(dataset.ConceptNameCodeSequence[0], name, value)

    return change


def all_of(*changes: Change) -> Change:
    def change(dataset: Dataset) -> None:
        for one in changes:
            one(dataset)

    return change


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def item(relationship: str, value_type: str, concept: Dataset | None = None, **values: object) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = relationship, value_type
    if concept is not None:
        made.ConceptNameCodeSequence = [concept]
    for name, value in values.items():
        setattr(made, name, value)
    return made


def modified(value: Dataset) -> Change:
    concept = code("113011", "DCM", "Document Title Modifier")
    return content(
        lambda d: [*d.ContentSequence, item("HAS CONCEPT MOD", "CODE", concept, ConceptCodeSequence=[value])]
    )


def nested(levels: int) -> Change:
    """All images in containers, one within the other."""

    def change(dataset: Dataset) -> None:
        inner = images(dataset)
        for _ in range(levels):
            inner = [item("CONTAINS", "CONTAINER", ContentSequence=inner)]
        dataset.ContentSequence = inner

    return change


def second_study(dataset: Dataset) -> None:
    """The second image lies in another study."""
    other = copy.deepcopy(dataset.CurrentRequestedProcedureEvidenceSequence[0])
    other.StudyInstanceUID = OTHER_STUDY
    other.ReferencedSeriesSequence[0].SeriesInstanceUID = f"{OTHER_STUDY}.1"
    del other.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    del (
        dataset.CurrentRequestedProcedureEvidenceSequence[0]
        .ReferencedSeriesSequence[0]
        .ReferencedSOPSequence[1]
    )
    dataset.CurrentRequestedProcedureEvidenceSequence.append(other)


def identical(study: str, sop_uid: str) -> Change:
    def change(dataset: Dataset) -> None:
        reference = Dataset()
        reference.ReferencedSOPClassUID = dataset.SOPClassUID
        reference.ReferencedSOPInstanceUID = sop_uid
        one_series = Dataset()
        one_series.SeriesInstanceUID = f"{study}.50"
        one_series.ReferencedSOPSequence = [reference]
        one_study = Dataset()
        one_study.StudyInstanceUID = study
        one_study.ReferencedSeriesSequence = [one_series]
        dataset.IdenticalDocumentsSequence = [
            *dataset.get("IdenticalDocumentsSequence", Sequence()),
            one_study,
        ]

    return change


def twice_in_evidence(dataset: Dataset) -> None:
    again = copy.deepcopy(dataset.CurrentRequestedProcedureEvidenceSequence[0])
    again.ReferencedSeriesSequence[0].SeriesInstanceUID = f"{STUDY}.5"
    dataset.CurrentRequestedProcedureEvidenceSequence.append(again)


def split_evidence(dataset: Dataset) -> None:
    again = copy.deepcopy(dataset.CurrentRequestedProcedureEvidenceSequence[0])
    del again.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    del series(dataset).ReferencedSOPSequence[1]
    dataset.CurrentRequestedProcedureEvidenceSequence.append(again)


def bare_code_item(dataset: Dataset) -> None:
    """What an exporter of dcm4chee puts beside the references: an item without value type and relationship."""
    dataset.ContentSequence.append(code("113000", "DCM", "Of Interest"))


def referencing(sop_class_uid: str, value_type: str, **more: object) -> Change:
    """The first item references an instance of another class."""

    def change(dataset: Dataset) -> None:
        images(dataset)[0].ReferencedSOPSequence[0].ReferencedSOPClassUID = sop_class_uid
        for name, value in more.items():
            setattr(images(dataset)[0].ReferencedSOPSequence[0], name, value)
        listed(dataset).ReferencedSOPClassUID = sop_class_uid
        images(dataset)[0].ValueType = value_type

    return change


def presented(dataset: Dataset) -> None:
    """A presentation state is applied that the evidence does not list."""
    state = Dataset()
    state.ReferencedSOPClassUID, state.ReferencedSOPInstanceUID = GSPS, f"{STUDY}.4.99"
    sop(dataset).ReferencedSOPSequence = [state]


def element(tag: int, vr: str, value: bytes) -> Callable[[bytes], bytes]:
    """What pydicom would not write: other bytes for the first element of a tag, in a short representation."""
    return lambda data: with_value(data, tag, vr, value)


def with_value(data: bytes, tag: int, vr: str, value: bytes) -> bytes:
    """An explicit little endian data set with other bytes for the first element of a short representation."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    at = data.index(head)
    length = struct.unpack_from("<H", data, at + 6)[0]
    changed_element = head + vr.encode() + struct.pack("<H", len(value)) + value
    return data[:at] + changed_element + data[at + 8 + length :]


def in_first(select: Callable[[Dataset], Dataset], **attributes: object) -> Change:
    def change(dataset: Dataset) -> None:
        for name, value in attributes.items():
            setattr(select(dataset), name, value)

    return change


def lacking(select: Callable[[Dataset], Dataset], name: str) -> Change:
    return lambda dataset: delattr(select(dataset), name)


def replaced(*pairs: tuple[bytes, bytes]) -> Callable[[bytes], bytes]:
    """Other bytes of the same length for some that are there."""

    def rewrite(data: bytes) -> bytes:
        for old, new in pairs:
            assert old in data
            assert len(old) == len(new)
            data = data.replace(old, new)
        return data

    return rewrite


def deeply_nested(levels: int) -> Callable[[bytes], bytes]:
    """Content that is nothing but sequences within sequences."""

    def rewrite(data: bytes) -> bytes:
        begin = struct.pack("<HH2sHIHHI", 0x40, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
        end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        content = data.index(struct.pack("<HH2s", 0x40, 0xA730, b"SQ"))
        return data[:content] + begin * levels + end * levels

    return rewrite


def deeply_private(levels: int) -> Callable[[bytes], bytes]:
    """The whole document, and after it sequences of a vendor within each other."""
    begin = struct.pack("<HH2sHIHHI", 0x41, 0x1001, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return lambda data: data + begin * levels + end * levels


def pixels(data: bytes) -> bytes:
    return data + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 64) + bytes(64)


def private(dataset: Dataset) -> None:
    """Elements of a vendor, a sequence among them, without who reserved them (PS3.5 7.8.1)."""
    inner = Dataset()
    inner.add_new(0x00291002, "LO", "inside")
    dataset.add_new(0x00291001, "LO", "beside")
    dataset.add_new(0x00291010, "SQ", [inner])


def requested(study: str) -> Change:
    """The order that it answers is of this study (PS3.3 C.17.6.2)."""

    def change(dataset: Dataset) -> None:
        request = Dataset()
        request.StudyInstanceUID, request.AccessionNumber = study, "A2"
        request.RequestedProcedureID = "R1"
        dataset.ReferencedRequestSequence = [request]

    return change


DESCRIPTION = code("113012", "DCM", "Key Object Description")
