"""DICOMDIRs that we write: records and their keys, offsets, values that stand in, character sets."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import DataSet as Header
from kinote.dicom.elements.dataset import scan
from kinote.media.file_set import FileSet, Member
from kinote.media.record_types import record_type_of, record_types

STORAGE = "1.2.840.10008.5.1.4.1.1."
CT, KEY_OBJECT = f"{STORAGE}2", f"{STORAGE}88.59"

WHOLE = {
    "PatientID": "P1",
    "PatientName": "Doe^Jane",
    "StudyDate": "20261124",
    "StudyTime": "1012",
    "StudyID": "S1",
    "Modality": "CT",
    "SeriesNumber": "1",
    "InstanceNumber": "7",
}


def header_of(values: dict[str, Any]) -> Header:
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    written = io.BytesIO()
    dcmwrite(written, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return scan(written.getvalue(), EXPLICIT_VR_LITTLE_ENDIAN)


def file_set(*objects: tuple[str, dict[str, Any]]) -> FileSet:
    """A file set of objects: each its SOP Class UID, and its attributes."""
    made = FileSet("TEST", "20261130")
    for number, (sop_class, values) in enumerate(objects, 1):
        study = str(values.get("StudyInstanceUID", "1.2.3"))
        series = str(values.get("SeriesInstanceUID", f"{study}.1"))
        member = Member(study, series, sop_class, f"{series}.{number}", EXPLICIT_VR_LITTLE_ENDIAN)
        made.add(member, made.place(study, series), header_of(values))
    return made


def read(made: FileSet) -> Dataset:
    return pydicom.dcmread(io.BytesIO(b"".join(made.dicomdir())))


def tree(directory: Dataset) -> list[Any]:
    """The records as the offsets link them: type and keys of each, with those below it."""
    records = {each.seq_item_tell: each for each in directory.DirectoryRecordSequence}

    def level(offset: int) -> Iterator[Any]:
        while offset:
            record = records.pop(offset)
            below = list(level(record.OffsetOfReferencedLowerLevelDirectoryEntity))
            yield record.DirectoryRecordType, record, below
            offset = record.OffsetOfTheNextDirectoryRecord

    found = list(level(directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity))
    assert not records
    return found


def test_the_offsets_link_all_records_to_a_tree() -> None:
    other = {**WHOLE, "PatientID": "P2", "StudyInstanceUID": "1.2.4"}
    made = file_set(
        (CT, WHOLE),
        (CT, {**WHOLE, "SeriesInstanceUID": "1.2.3.2"}),
        (CT, other),
        (CT, {**WHOLE, "PatientID": ""}),
    )
    directory = read(made)
    found = tree(directory)
    shape = [
        (kind, [(k, [(s, len(o)) for s, _, o in series]) for k, _, series in studies])
        for kind, _, studies in found
    ]
    assert shape == [
        ("PATIENT", [("STUDY", [("SERIES", 2), ("SERIES", 1)])]),
        ("PATIENT", [("STUDY", [("SERIES", 1)])]),
    ]
    last = directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity
    assert found[-1][1].seq_item_tell == last
    assert made.synthesized == []


def test_names_follow_the_standard() -> None:
    made = file_set(*((CT, {**WHOLE, "SeriesInstanceUID": f"1.2.{number % 3}"}) for number in range(9)))
    for record in read(made).DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            assert len(record.ReferencedFileID) <= 8
            assert all(re.fullmatch("[A-Z0-9_]{1,8}", each) for each in record.ReferencedFileID)


def test_values_of_type_1_stand_in_within_the_record_and_are_reported() -> None:
    made = file_set((CT, {"AcquisitionDate": "20200102", "StudyTime": "10:11:12"}), (KEY_OBJECT, {}))
    (patient,) = tree(read(made))
    study = patient[2][0]
    assert patient[1].PatientID == "NO-ID-1" and patient[1].PatientName == ""
    assert (study[1].StudyDate, study[1].StudyTime, study[1].StudyID) == ("20200102", "101112", "ST000001")
    assert study[1].StudyInstanceUID == "1.2.3"
    key_object = study[2][0][2][1][1]
    assert key_object.ConceptNameCodeSequence[0].CodeMeaning == "Unknown"
    assert (key_object.ContentDate, key_object.InstanceNumber) == ("20261130", 2)
    assert {(each.record, each.keyword) for each in made.synthesized} == {
        *(("PATIENT", "PatientID"), ("STUDY", "StudyDate"), ("STUDY", "StudyTime"), ("STUDY", "StudyID")),
        *(("SERIES", "Modality"), ("SERIES", "SeriesNumber"), ("IMAGE", "InstanceNumber")),
        *((("KEY OBJECT DOC"), name) for name in ("ContentDate", "ContentTime", "InstanceNumber")),
        ("KEY OBJECT DOC", "ConceptNameCodeSequence"),
    }


def test_an_id_that_two_issuers_gave_is_of_two_patients() -> None:
    made = file_set(
        (CT, {**WHOLE, "IssuerOfPatientID": "A"}),
        (CT, {**WHOLE, "IssuerOfPatientID": "B", "StudyInstanceUID": "1.2.4"}),
    )
    ids = [record.PatientID for _, record, _ in tree(read(made))]
    assert ids[0] == "P1" and len(set(ids)) == 2
    assert [each.keyword for each in made.synthesized] == ["PatientID"]


def test_a_record_has_the_character_set_of_its_object_where_it_needs_it() -> None:
    named = {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        **WHOLE,
        "PatientName": "Yamada^Tarou=山田^太郎",
    }
    (patient,) = tree(read(file_set((CT, named))))
    assert str(patient[1].PatientName) == "Yamada^Tarou=山田^太郎"
    assert "SpecificCharacterSet" not in patient[2][0][1]


def test_a_key_object_brings_its_title_and_the_modifiers_of_it_alone() -> None:
    def code(value: str) -> Dataset:
        one = Dataset()
        one.CodeValue, one.CodingSchemeDesignator, one.CodeMeaning = value, "DCM", f"Meaning of {value}"
        return one

    def item(relationship: str, kind: str) -> Dataset:
        one = Dataset()
        one.RelationshipType, one.ValueType = relationship, kind
        one.ConceptNameCodeSequence, one.ConceptCodeSequence = [code("113011")], [code("113037")]
        return one

    values = {
        **WHOLE,
        "ContentDate": "20261124",
        "ContentTime": "10",
        "ConceptNameCodeSequence": [code("113010")],
        "ContentSequence": [
            item("HAS CONCEPT MOD", "CODE"),
            item("CONTAINS", "IMAGE"),
            item("CONTAINS", "TEXT"),
        ],
    }
    (patient,) = tree(read(file_set((KEY_OBJECT, values))))
    kind, record, _ = patient[2][0][2][0][2][0]
    assert kind == "KEY OBJECT DOC" and record.ConceptNameCodeSequence[0].CodeValue == "113010"
    assert [each.RelationshipType for each in record.ContentSequence] == ["HAS CONCEPT MOD"]
    assert record.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning == "Meaning of 113037"


@pytest.mark.parametrize(
    ("sop_class", "expected"),
    [
        (CT, "IMAGE"),
        (KEY_OBJECT, "KEY OBJECT DOC"),
        (f"{STORAGE}88.11", "SR DOCUMENT"),
        (f"{STORAGE}11.1", "PRESENTATION"),
        (f"{STORAGE}9.1.1", "WAVEFORM"),
        (f"{STORAGE}9.100.1", "PRESENTATION"),
        (f"{STORAGE}481.2", "RT DOSE"),
        (f"{STORAGE}481.3", "RT STRUCTURE SET"),
        (f"{STORAGE}481.8", "RT PLAN"),
        (f"{STORAGE}66", "RAW DATA"),
        (f"{STORAGE}66.4", "IMAGE"),
        (f"{STORAGE}104.1", "ENCAP DOC"),
        ("1.2.3.4.5", "PRIVATE"),
    ],
)
def test_the_class_of_an_object_says_what_its_record_is(sop_class: str, expected: str) -> None:
    assert record_type_of(sop_class) == expected
    assert expected in record_types()


def test_an_object_of_an_unknown_class_is_a_private_record() -> None:
    made = file_set(("1.2.3.4.5", WHOLE), ("1.2.3.4.5", {**WHOLE, "Rows": 1}))
    kinds = [record.DirectoryRecordType for record in read(made).DirectoryRecordSequence]
    assert kinds[-2:] == ["PRIVATE", "IMAGE"] and len(made.private) == 1


def test_what_cannot_be_read_has_a_record_all_the_same() -> None:
    assert [kind for kind, _, _ in tree(read(file_set((CT, {}))))] == ["PATIENT"]


def test_each_record_is_written_once_however_many_there_are() -> None:
    for count in (50, 100):
        made = file_set(*((CT, WHOLE) for _ in range(count)))
        whole = b"".join(made.dicomdir())
        assert made.steps == count + 3 and whole.count(b"CS\x06\x00IMAGE ") == count


def test_dciodvfy_finds_nothing_in_it(tmp_path: Path) -> None:
    made = file_set((CT, WHOLE), (CT, {**WHOLE, "PatientID": "P2", "StudyInstanceUID": "1.2.4"}))
    path = tmp_path / "DICOMDIR"
    path.write_bytes(b"".join(made.dicomdir()))
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert "Error" not in said.stderr and "BasicDirectory" in said.stderr
