"""The tolerant reader: the key objects of the field, and what may be wrong with one."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from kinote.dicom.limits import KEEP_ALL
from kinote.dicom.scanner import DataSetScanner
from kinote.keyobject.findings import RULES
from kinote.keyobject.model import Reference
from kinote.keyobject.reader import Reading, read
from kinote.keyobject.writer import encode, encode_file
from tests.dicom.test_part10 import scan_file
from tests.keyobject.documents import CT, ULTRASOUND, document, instance

EXPLICIT = "1.2.840.10008.1.2.1"


def test_every_key_object_of_the_data_is_understood(test_data: Path) -> None:
    expected = json.loads((test_data / "KOS_EXPECTED.json").read_text())
    assert len(expected) == 21
    for row in expected:
        path = test_data / row["file"]
        scanned = scan_file(path)
        reading = read(path.read_bytes()[scanned.dataset_offset :], scanned.transfer_syntax)
        assert reading.title is not None
        assert f"{reading.title.value}/{reading.title.scheme}/{reading.title.meaning}" == row["title"]
        distinct = {reference.sop_instance_uid for reference in reading.references}
        assert len(distinct) == row["distinct_references"], row["file"]
        assert reading.registration != "unreadable"
        root_texts = row["texts"] if "TEXT/CONTAINS" in row["content_items"] else []
        assert list(reading.descriptions) == root_texts


Change = Callable[[Dataset], object]


def changed(change: Change) -> Reading:
    source = document(Reference(instance(1)), Reference(instance(2, ULTRASOUND), frames=(3, 7)))
    dataset = pydicom.dcmread(io.BytesIO(encode_file(source)))
    change(dataset)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    data = buffer.getvalue()
    return read(data[data.index(struct.pack("<HH2s", 8, 5, b"CS")) :], EXPLICIT)


def images(dataset: Dataset) -> list[Dataset]:
    return [item for item in dataset.ContentSequence if item.ValueType == "IMAGE"]


def sop(item: Dataset) -> Dataset:
    referenced: Dataset = item.ReferencedSOPSequence[0]
    return referenced


def keep(dataset: Dataset, wanted: list[Dataset]) -> None:
    dataset.ContentSequence = wanted


def nest(dataset: Dataset) -> None:
    container = Dataset()
    container.RelationshipType = "CONTAINS"
    container.ValueType = "CONTAINER"
    container.ContentSequence = images(dataset)
    dataset.ContentSequence = [container]


def set_title(**attributes: str) -> Change:
    def change(dataset: Dataset) -> None:
        for name, value in attributes.items():
            setattr(dataset.ConceptNameCodeSequence[0], name, value)

    return change


#: By the variants of the reference table: (id, change, finding, number of distinct references).
VARIANTS: list[tuple[str, Change, str, int]] = [
    ("V01", lambda d: d.__delattr__("ContentSequence"), "CONTENT_REFS_MISSING", 2),
    ("V02", lambda d: keep(d, []), "CONTENT_REFS_MISSING", 2),
    ("V03", lambda d: keep(d, [d.ContentSequence[0]]), "CONTENT_REFS_MISSING", 2),
    ("V04", lambda d: d.__delattr__("CurrentRequestedProcedureEvidenceSequence"), "EVIDENCE_MISSING", 2),
    ("V07", lambda d: keep(d, d.ContentSequence[:2]), "EVIDENCE_EXTRA", 1),
    ("V09", lambda d: setattr(d.ContentTemplateSequence[0], "TemplateIdentifier", "2000"), "TEMPLATE", 2),
    ("V10", lambda d: d.__delattr__("ContentTemplateSequence"), "TEMPLATE", 2),
    ("V12", lambda d: d.__delattr__("ConceptNameCodeSequence"), "TITLE_MISSING", 2),
    ("V16", set_title(CodeMeaning=""), "TITLE_MEANING_MISSING", 2),
    ("V17", set_title(CodingSchemeDesignator="DICOM"), "TITLE_SCHEME", 2),
    ("V20", set_title(CodeValue="113003"), "TITLE_MEANING_MISMATCH", 2),
    ("V21", set_title(CodeValue="113013", CodeMeaning="Best In Set"), "MODIFIER_MISSING", 2),
    ("V24", lambda d: setattr(sop(images(d)[1]), "ReferencedFrameNumber", [0, 3]), "FRAME_INVALID", 2),
    ("V25", lambda d: setattr(sop(images(d)[0]), "ReferencedFrameNumber", 1), "FRAMES_ON_SINGLE_FRAME", 2),
    (
        "V28",
        lambda d: setattr(sop(images(d)[0]), "ReferencedSOPClassUID", ULTRASOUND),
        "REF_CLASS_MISMATCH",
        2,
    ),
    ("V29", lambda d: sop(images(d)[0]).__delattr__("ReferencedSOPClassUID"), "REF_CLASS_MISSING", 2),
    ("V30", lambda d: setattr(sop(images(d)[0]), "ReferencedSOPInstanceUID", ""), "REF_BROKEN", 1),
    ("V38", lambda d: setattr(d, "Modality", ""), "MODALITY", 2),
    ("V42", lambda d: d.__delattr__("ContentTime"), "CONTENT_DATE_TIME", 2),
    ("V43", lambda d: d.__delattr__("InstanceNumber"), "TYPE_1_MISSING", 2),
    (
        "V53",
        lambda d: setattr(sop(images(d)[0]), "ReferencedSOPInstanceUID", d.SOPInstanceUID),
        "REF_SELF",
        2,
    ),
    ("V63", lambda d: keep(d, [*d.ContentSequence, images(d)[0]]), "REF_DUPLICATE", 2),
    ("V66", lambda d: setattr(images(d)[0], "ValueType", "COMPOSITE"), "VALUE_TYPE_MISMATCH", 2),
    ("V68", lambda d: d.__delattr__("ContinuityOfContent"), "ROOT_INCOMPLETE", 2),
    ("V70", nest, "REFS_IN_IMAGE_LIBRARY", 2),
    ("V71", lambda d: images(d)[0].__delattr__("RelationshipType"), "RELATIONSHIP_MISSING", 2),
    ("V73", lambda d: setattr(d, "PatientID", ""), "NO_PATIENT", 2),
    ("V76", lambda d: setattr(d, "TimezoneOffsetFromUTC", "+9900"), "TIMEZONE", 2),
    ("V79", lambda d: setattr(d.ContentSequence[0], "TextValue", ""), "DESCRIPTION_EMPTY", 2),
]


@pytest.mark.parametrize(
    ("change", "code", "distinct"), [row[1:] for row in VARIANTS], ids=[row[0] for row in VARIANTS]
)
def test_an_odd_document_is_understood_with_a_finding(change: Change, code: str, distinct: int) -> None:
    reading = changed(change)
    assert code in {finding.code for finding in reading.findings}
    assert len(reading.distinct_references) == distinct
    warned = any(finding.severity != "info" for finding in reading.findings)
    assert reading.registration == ("registered with findings" if warned else "registered")


def test_nothing_referenced_is_unreadable() -> None:
    def strip(dataset: Dataset) -> None:
        del dataset.ContentSequence
        del dataset.CurrentRequestedProcedureEvidenceSequence

    reading = changed(strip)
    assert reading.registration == "unreadable"
    assert "NO_REFERENCES" in {finding.code for finding in reading.findings}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_cut_document_has_no_wrong_reference(data: st.DataObject) -> None:
    whole = encode(document(*(Reference(instance(number)) for number in range(1, 6))))
    reading = read(whole[: data.draw(st.integers(0, len(whole) - 1))], EXPLICIT)
    known = {instance(number).sop_instance_uid for number in range(1, 6)}
    assert {reference.sop_instance_uid for reference in reading.references} <= known


def test_twenty_thousand_references_in_bounded_memory() -> None:
    data = encode(document(*(Reference(instance(number)) for number in range(1, 20_001))))
    tracemalloc.start()
    reading = read(data, EXPLICIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(reading.distinct_references) == 20_000
    scanner = DataSetScanner(EXPLICIT, KEEP_ALL)
    scanner.feed(data)
    # Evidence: three elements and an item each; content: six and two items; begin and end of each counted.
    assert scanner.steps < 20 * 20_000
    assert peak < 40 * len(data)


def test_content_nested_ten_thousand_deep_is_too_deep() -> None:
    begin = struct.pack("<HH2sHIHHI", 0x40, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    for depth in (20, 10_000):
        reading = read(begin * depth + end * depth, EXPLICIT)
        assert reading.registration == "unreadable"
        assert [finding.code for finding in reading.findings] == ["TOO_DEEP"]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_other_transfer_syntaxes_are_read_alike(syntax: str) -> None:
    source = document(Reference(instance(1)), description="Überblick")
    dataset = pydicom.dcmread(io.BytesIO(encode_file(source)))
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer,
        dataset,
        implicit_vr=syntax == "1.2.840.10008.1.2",
        little_endian=syntax != "1.2.840.10008.1.2.2",
        force_encoding=True,
        enforce_file_format=False,
    )
    data = buffer.getvalue()[dataset_start(buffer.getvalue()) :]
    if syntax.endswith("99"):
        deflate = zlib.compressobj(wbits=-15)
        data = deflate.compress(data) + deflate.flush()
    assert read(data, syntax) == read(encode(source), EXPLICIT)


def dataset_start(data: bytes) -> int:
    """pydicom writes the meta of what it has read before the data set."""
    starts = [data.find(struct.pack(order + "HH", 8, 5)) for order in "<>"]
    return min(start for start in starts if start >= 0)


def test_every_finding_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs/findings.md").read_text()
    for code in RULES:
        assert f"`{code}`" in documented


def test_classes_decide_the_items() -> None:
    assert Reference(instance(1, CT)).value_type == "IMAGE"
