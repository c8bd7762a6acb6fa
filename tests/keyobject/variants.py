"""The odd and malformed documents of the field, made from a good one with pydicom.

By the ids of the reference table of variants: how each is made, what must be found, and what is still read.
"""

from __future__ import annotations

import copy
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from kinote.keyobject.model import Reference
from kinote.keyobject.reader import read
from kinote.keyobject.reading import Reading
from kinote.keyobject.writer import encode_file
from tests.keyobject.documents import ECG, EXPLICIT, GSPS, REPORT, ULTRASOUND, document, instance

Change = Callable[[Dataset], object]


@dataclass(frozen=True)
class Variant:
    """`codes` are the findings above `info` that must be there, all and no others; `references` is how many
    distinct references are read; where `codes` has an error the document is unreadable."""

    id: str
    change: Change
    codes: frozenset[str]
    references: int = 2
    infos: frozenset[str] = frozenset()


def good() -> Dataset:
    source = document(Reference(instance(1)), Reference(instance(2, ULTRASOUND), frames=(3, 7)))
    return pydicom.dcmread(io.BytesIO(encode_file(source)))


def encoded(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    """The data set alone, as pydicom writes it."""
    buffer = io.BytesIO()
    bare = Dataset(dataset)
    pydicom.dcmwrite(
        buffer,
        bare,
        implicit_vr=syntax == "1.2.840.10008.1.2",
        little_endian=syntax != "1.2.840.10008.1.2.2",
        force_encoding=True,
        enforce_file_format=False,
    )
    return buffer.getvalue()


def changed(change: Change) -> Reading:
    dataset = good()
    change(dataset)
    return read(encoded(dataset), EXPLICIT)


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
    other.StudyInstanceUID = "1.2.99"
    other.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.99.1"
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
    again.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.5"
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
    state.ReferencedSOPClassUID, state.ReferencedSOPInstanceUID = GSPS, "1.2.3.4.99"
    sop(dataset).ReferencedSOPSequence = [state]


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


_EVIDENCE = "CurrentRequestedProcedureEvidenceSequence"
_DESCRIPTION = code("113012", "DCM", "Key Object Description")


def _variant(
    variant: str, change: Change, *codes: str, references: int = 2, infos: tuple[str, ...] = ()
) -> Variant:
    return Variant(variant, change, frozenset(codes), references, frozenset(infos))


VARIANTS = [
    _variant("V01", without("ContentSequence"), "CONTENT_REFS_MISSING"),
    _variant("V02", content(lambda d: []), "CONTENT_REFS_MISSING"),
    _variant("V03", content(lambda d: [d.ContentSequence[0]]), "CONTENT_REFS_MISSING"),
    _variant("V04", without(_EVIDENCE), "EVIDENCE_MISSING"),
    _variant("V05", having(**{_EVIDENCE: []}), "EVIDENCE_MISSING"),
    _variant("V06", lambda d: series(d).ReferencedSOPSequence.pop(1), "REF_NOT_IN_EVIDENCE"),
    _variant("V07", content(lambda d: d.ContentSequence[:2]), "EVIDENCE_EXTRA", references=1),
    _variant(
        "V08",
        all_of(without("ContentSequence"), without(_EVIDENCE)),
        "EVIDENCE_MISSING",
        "NO_REFERENCES",
        references=0,
    ),
    _variant("V09", in_first(lambda d: d.ContentTemplateSequence[0], TemplateIdentifier="2000"), "TEMPLATE"),
    _variant("V10", without("ContentTemplateSequence"), "TEMPLATE"),
    _variant("V11", lacking(lambda d: d.ContentTemplateSequence[0], "MappingResource"), "TEMPLATE"),
    _variant("V12", without("ConceptNameCodeSequence"), "TITLE_MISSING"),
    _variant("V13", having(ConceptNameCodeSequence=[]), "TITLE_MISSING"),
    _variant("V14", titled(CodeValue="PR2KO", CodingSchemeDesignator="DCM4CHEE", CodeMeaning="Referenced")),
    _variant("V15", titled(CodeValue="MADOTEMP001", CodingSchemeDesignator="99IHE", CodeMeaning="Manifest")),
    _variant("V16", titled(CodeMeaning=""), "TITLE_MEANING_MISSING"),
    _variant("V17", titled(CodingSchemeDesignator="DICOM"), "TITLE_SCHEME"),
    _variant(
        "V18",
        lambda d: d.ConceptNameCodeSequence.append(code("113003", "DCM", "For Surgery")),
        "TITLE_SEVERAL",
    ),
    _variant("V19", titled(CodeValue="TCE001", CodingSchemeDesignator="IHERADTF", CodeMeaning="Teaching")),
    _variant("V20", titled(CodeValue="113003"), "TITLE_MEANING_MISMATCH"),
    _variant("V21", titled(CodeValue="113013", CodeMeaning="Best In Set"), "MODIFIER_MISSING"),
    _variant(
        "V22",
        all_of(
            titled(CodeValue="113001", CodeMeaning="Rejected for Quality Reasons"),
            modified(code("113015", "DCM", "Series")),
        ),
        "MODIFIER_FOREIGN",
    ),
    _variant("V24", in_first(lambda d: sop(d, 1), ReferencedFrameNumber=[0, 3]), "FRAMES_INVALID"),
    _variant("V25", in_first(sop, ReferencedFrameNumber=1), "FRAMES_ON_SINGLE_FRAME"),
    _variant(
        "V27",
        all_of(in_first(lambda d: listed(d, 1), ReferencedFrameNumber=[3, 7]), content(lambda d: [])),
        "CONTENT_REFS_MISSING",
        "FRAMES_IN_EVIDENCE",
    ),
    _variant(
        "evidence with bad frames",
        all_of(in_first(lambda d: listed(d, 1), ReferencedFrameNumber=[0, 7, 7]), content(lambda d: [])),
        "CONTENT_REFS_MISSING",
        "FRAMES_IN_EVIDENCE",
        "FRAMES_INVALID",
    ),
    _variant(
        "evidence with frames of single frame images",
        all_of(in_first(listed, ReferencedFrameNumber=[3]), content(lambda d: [])),
        "CONTENT_REFS_MISSING",
        "FRAMES_IN_EVIDENCE",
        "FRAMES_ON_SINGLE_FRAME",
    ),
    _variant("presentation state not in evidence", presented, "REF_NOT_IN_EVIDENCE"),
    _variant("V28", in_first(sop, ReferencedSOPClassUID=ULTRASOUND), "REF_CLASS_MISMATCH"),
    _variant("V29", lacking(sop, "ReferencedSOPClassUID"), "REF_CLASS_MISSING"),
    _variant("V30", in_first(sop, ReferencedSOPInstanceUID=""), "REF_BROKEN", "EVIDENCE_EXTRA", references=1),
    _variant(
        "V30 all",
        all_of(
            in_first(sop, ReferencedSOPInstanceUID=""),
            in_first(lambda d: sop(d, 1), ReferencedSOPInstanceUID="x"),
            without(_EVIDENCE),
        ),
        "REF_BROKEN",
        "EVIDENCE_MISSING",
        "ALL_REFERENCES_BROKEN",
        references=0,
    ),
    _variant(
        "V31 letters",
        in_first(sop, ReferencedSOPInstanceUID="1.2.abc"),
        "REF_BROKEN",
        "EVIDENCE_EXTRA",
        references=1,
    ),
    _variant(
        "V31 leading zero",
        all_of(
            in_first(sop, ReferencedSOPInstanceUID="1.2.03"),
            in_first(listed, ReferencedSOPInstanceUID="1.2.03"),
        ),
        "REF_UID_MALFORMED",
    ),
    _variant(
        "V33",
        in_first(lambda d: d.CurrentRequestedProcedureEvidenceSequence[0], StudyInstanceUID=""),
        "REF_STUDY_MISSING",
    ),
    _variant("V35", second_study, "NO_IDENTICAL_DOCUMENTS"),
    _variant("V36", having(StudyInstanceUID="1.2.55"), infos=("OWN_STUDY_NOT_REFERENCED",)),
    _variant("V37", having(SeriesInstanceUID="1.2.3.4"), "SERIES_MIXED"),
    _variant("V38", having(Modality=""), "MODALITY"),
    _variant("V39", having(Modality="SR"), "MODALITY"),
    _variant("V42", all_of(without("ContentDate"), without("ContentTime")), "CONTENT_DATE_TIME"),
    _variant("V43", without("InstanceNumber"), "TYPE_1_MISSING"),
    _variant("V44", having(SeriesNumber=None), "TYPE_1_MISSING"),
    _variant("V45", without("ReferencedPerformedProcedureStepSequence"), "TYPE_2_MISSING"),
    _variant("V47", titled(CodeValue="A" * 20, CodingSchemeDesignator="99X"), "CODE_VALUE_LONG"),
    _variant("V51", referencing("1.2.840.10008.5.1.4.1.1.88.59", "COMPOSITE")),
    _variant("V52", referencing(GSPS, "IMAGE"), "PRESENTATION_AS_IMAGE"),
    _variant(
        "V53",
        lambda d: setattr(sop(d), "ReferencedSOPInstanceUID", d.SOPInstanceUID),
        "REF_SELF",
        "REF_NOT_IN_EVIDENCE",
        "EVIDENCE_EXTRA",
    ),
    _variant("V56 16 levels", nested(15), "REFS_IN_IMAGE_LIBRARY"),
    _variant("V56 17 levels", nested(16), "TOO_DEEP", references=0),
    _variant("V63", content(lambda d: [*d.ContentSequence, images(d)[0]]), "REF_DUPLICATE"),
    _variant("V65", referencing(ECG, "WAVEFORM", ReferencedWaveformChannels=[1, 2])),
    _variant("V66", in_first(lambda d: images(d)[0], ValueType="COMPOSITE"), infos=("COMPOSITE_FOR_IMAGE",)),
    _variant(
        "V67",
        in_first(lambda d: images(d)[0], ConceptNameCodeSequence=[code("260753009", "SCT", "Source")]),
        infos=("PURPOSE_OF_REFERENCE",),
    ),
    _variant("V68", all_of(without("ValueType"), without("ContinuityOfContent")), "ROOT_INCOMPLETE"),
    _variant(
        "V69",
        content(
            lambda d: [*d.ContentSequence, item("CONTAINS", "IMAGE", ReferencedContentItemIdentifier=[1, 2])]
        ),
        "BY_REFERENCE",
    ),
    _variant("V70", nested(1), "REFS_IN_IMAGE_LIBRARY"),
    _variant("V71", lacking(lambda d: images(d)[0], "RelationshipType"), "RELATIONSHIP_MISSING"),
    _variant(
        "V72", content(lambda d: [*d.ContentSequence, item("CONTAINS", "NUM", _DESCRIPTION)]), "ITEM_IGNORED"
    ),
    _variant("V73", having(PatientID=""), "NO_PATIENT"),
    _variant("V74", all_of(without("PatientID"), without("PatientName")), "NO_PATIENT"),
    _variant(
        "V75",
        in_first(lambda d: d.ContentSequence[0], ConceptNameCodeSequence=[code("121106", "DCM", "Comment")]),
        "DESCRIPTION_CONCEPT",
    ),
    _variant("V76", having(TimezoneOffsetFromUTC="+99:00"), "TIMEZONE"),
    _variant(
        "V78",
        content(lambda d: [*d.ContentSequence, item("CONTAINS", "TEXT", _DESCRIPTION, TextValue="second")]),
        "DESCRIPTION_SEVERAL",
    ),
    _variant("V79", in_first(lambda d: d.ContentSequence[0], TextValue=""), "DESCRIPTION_EMPTY"),
    _variant(
        "V80",
        having(CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED"),
        infos=("FOREIGN_ATTRIBUTES",),
    ),
    _variant(
        "V81",
        having(SOPClassUID=UID(REPORT)),
        "NOT_A_KEY_OBJECT",
        references=0,
    ),
    _variant("V84", split_evidence, "EVIDENCE_SPLIT"),
    _variant("V85", twice_in_evidence, "REF_SEVERAL_SERIES"),
    _variant("V87", referencing("1.2.3.99999", "COMPOSITE")),
    _variant("V87 as image", referencing("1.2.3.99999", "IMAGE")),
    _variant("V88", without("SOPInstanceUID"), "IDENTITY_MISSING", references=0),
    _variant("V89", without("StudyInstanceUID"), "IDENTITY_MISSING", references=0),
    _variant("V95", in_first(lambda d: d.ContentSequence[0], TextValue="<script>alert(1)</script>\u202e")),
    _variant(
        "V97 incomplete",
        all_of(second_study, identical("1.2.3.77", "1.2.3.77.1")),
        "IDENTICAL_INCOMPLETE",
    ),
    _variant("V97 self", identical("1.2.3", "1.2.3.50.1"), "IDENTICAL_LISTS_SELF"),
    _variant("V98", having(ContentDate="20200101"), infos=("DATED_BEFORE_STUDY",)),
    _variant("V99", in_first(listed, RetrieveAETitle="ARCHIVE"), infos=("RETRIEVAL_DETAILS",)),
    _variant(
        "V100",
        in_first(series, RetrieveURL="http://169.254.169.254/latest"),
        infos=("RETRIEVAL_DETAILS",),
    ),
    _variant("no value type", bare_code_item, "RELATIONSHIP_MISSING", "VALUE_TYPE_MISSING", "ITEM_IGNORED"),
    _variant(
        "modifier without value",
        content(
            lambda d: [
                *d.ContentSequence,
                item("HAS CONCEPT MOD", "CODE", code("113011", "DCM", "Document Title Modifier")),
            ]
        ),
        "CODE_INCOMPLETE",
    ),
    _variant("request", in_first(lambda d: d, ReferencedRequestSequence=[Dataset()])),
]

#: Variants that pydicom would not write: id, element, its representation and bytes, finding.
BYTE_VARIANTS = [
    ("V40", 0x00080023, "DA", b"2026-11-24", "CONTENT_DATE_TIME"),
    ("V40 no date", 0x00080023, "DA", b"tomorrow", "CONTENT_DATE_TIME"),
    ("V41", 0x00080033, "TM", b"25:61:00", "CONTENT_DATE_TIME"),
    ("V41 colons", 0x00080033, "TM", b"08:30:00", "CONTENT_DATE_TIME"),
    ("V41 tab", 0x00080033, "TM", b"083000\t ", "CONTENT_DATE_TIME"),
    ("timezone with a tab", 0x00080201, "SH", b"+0100\t", "TIMEZONE"),
    ("six components", 0x00100010, "PN", b"a^b^c^d^e^f ", "PERSON_NAME"),
    ("four groups", 0x00100010, "PN", b"a=b=c=d ", "PERSON_NAME"),
    ("V46", 0x00200013, "US", b"\1\0", "VR_UNEXPECTED"),
    ("V49", 0x00080005, "CS", b"UTF-8 ", "CHARACTER_SET_UNKNOWN"),
]
