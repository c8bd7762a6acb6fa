"""Instances that say of their study or series something else than these are known by: a finding, and no more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import finding, instance, key_object
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.receiver import Receiver
from kinote.keyobject.writer import encode_file
from kinote.lifecycle.explaining.explain import explain
from kinote.lifecycle.findings.finding_list import found_objects
from kinote.storage.local import local_stores
from tests.actors import ORIGIN
from tests.clock import clock
from tests.intake.objects import image
from tests.keyobject.documents import document
from tests.notes.statements import each_statement

KNOWN: dict[str, Any] = {
    "PatientID": "P1",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "StudyDate": "20240105",
    "AccessionNumber": "A1",
    "StudyID": "S1",
    "Modality": "CT",
    "SeriesNumber": 3,
}


@pytest.fixture
def receiver(catalog: Catalog, tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(catalog, local_stores(tmp_path / "data"), clock=clock)
    yield receiver
    receiver.close()


def receive(receiver: Receiver, *files: bytes) -> list[str]:
    """Hand all over before waiting, so that they share a group."""
    futures = []
    for data in files:
        upload = receiver.open(ORIGIN)
        upload.write(data)
        futures.append(upload.finish())
    return [future.result(30).kind for future in futures]


def findings(catalog: Catalog) -> list[tuple[str, str, str, str]]:
    with catalog.read() as connection:
        query = select(instance.c.sop_instance_uid, finding.c.code, finding.c.place, finding.c.text)
        query = query.join(instance, instance.c.id == finding.c.instance).order_by(finding.c.id)
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize(
    ("attribute", "value", "code", "says"),
    [
        ("PatientID", "P9", "STUDY_DIFFERS", "PatientID P9 (known as P1)"),
        ("PatientName", "Roe^Richard", "STUDY_DIFFERS", "PatientName Roe^Richard (known as Doe^Jane)"),
        ("PatientBirthDate", "19700103", "STUDY_DIFFERS", "PatientBirthDate 19700103 (known as 19700102)"),
        ("PatientSex", "M", "STUDY_DIFFERS", "PatientSex M (known as F)"),
        ("StudyDate", "19990909", "STUDY_DIFFERS", "StudyDate 19990909 (known as 20240105)"),
        ("AccessionNumber", "A9", "STUDY_DIFFERS", "AccessionNumber A9 (known as A1)"),
        ("StudyID", "S9", "STUDY_DIFFERS", "StudyID S9 (known as S1)"),
        ("Modality", "MR", "SERIES_DIFFERS", "Modality MR (known as CT)"),
        ("SeriesNumber", 4, "SERIES_DIFFERS", "SeriesNumber 4 (known as 3)"),
    ],
)
def test_a_value_that_differs_is_a_finding(
    catalog: Catalog, receiver: Receiver, attribute: str, value: object, code: str, says: str
) -> None:
    receive(receiver, image(1, **KNOWN))
    receive(receiver, image(2, **{**KNOWN, attribute: value}))
    ((uid, found, place, text),) = findings(catalog)
    assert (uid, found, place) == ("1.2.3.4.2", code, attribute)
    assert says in text


def test_instances_of_one_group_differ_from_the_first(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, image(1, **KNOWN), image(2, **{**KNOWN, "PatientSex": "M", "Modality": "MR"}))
    # Whichever came to be filed first.
    assert [(code, place) for _, code, place, _ in findings(catalog)] == [
        ("STUDY_DIFFERS", "PatientSex"),
        ("SERIES_DIFFERS", "Modality"),
    ]
    assert len({uid for uid, _, _, _ in findings(catalog)}) == 1


@pytest.mark.parametrize(
    "said",
    [
        KNOWN,
        dict.fromkeys(KNOWN, None),
        {**KNOWN, "PatientName": "DOE^jane^^"},
        {**KNOWN, "PatientName": "Doe^Jane=土井^ジェーン", "SpecificCharacterSet": "ISO_IR 192"},
        {**KNOWN, "PatientID": "P1 "},
        {**KNOWN, "StudyDate": "2024.01.05"},
        {**KNOWN, "PatientID": "P9", "IssuerOfPatientID": "another hospital"},
        {**KNOWN, "StudyTime": "1200", "StudyDescription": "said otherwise"},
    ],
)
def test_what_does_not_differ(catalog: Catalog, receiver: Receiver, said: dict[str, Any]) -> None:
    receive(receiver, image(1, **KNOWN))
    receive(receiver, image(2, **said))
    receive(receiver, image(3, **KNOWN))
    assert findings(catalog) == []


def test_the_first_that_says_something_makes_it_known(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, image(1, **{**KNOWN, "AccessionNumber": ""}))
    receive(receiver, image(2, **KNOWN))
    receive(receiver, image(3, **{**KNOWN, "AccessionNumber": "A9"}))
    assert [(uid, place) for uid, _, place, _ in findings(catalog)] == [("1.2.3.4.3", "AccessionNumber")]


def test_an_object_has_it_once_however_much_differs(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, image(1, **KNOWN))
    receive(
        receiver, image(2, PatientID="P9", PatientName="Roe", StudyID="S9", PatientSex="M", Modality="MR")
    )
    assert [(code, place) for _, code, place, _ in findings(catalog)] == [
        ("STUDY_DIFFERS", "PatientID"),
        ("SERIES_DIFFERS", "Modality"),
    ]
    assert findings(catalog)[0][3].endswith("(4 times)")


def test_held_copies_have_none(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, image(1, **KNOWN))
    assert receive(receiver, image(1, **{**KNOWN, "PatientID": "P9"})) == ["held"]
    assert findings(catalog) == []


def test_it_is_listed_and_explained_and_no_key_object(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, image(1, **KNOWN))
    receive(receiver, image(2, **{**KNOWN, "PatientID": "P9"}))
    with catalog.read() as connection:
        (listed,), _ = found_objects(connection, "warning", before=None, limit=10)
        (explained,) = explain(connection, "1.2.3.4.2")
        assert connection.execute(select(key_object.c.instance)).all() == []
    assert (listed["registration"], listed["findings"][0]["code"]) == (None, "STUDY_DIFFERS")
    assert (explained.registration, explained.visible) == (None, True)
    assert [each.code for each in explained.findings] == ["STUDY_DIFFERS"]


def key_object_of(patient_id: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(encode_file(document())))
    dataset.StudyInstanceUID, dataset.PatientID = "1.2.3", patient_id
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("patient_id", "codes"), [("P1", set()), ("P9", {"STUDY_DIFFERS"})])
def test_the_registration_of_a_key_object_is_what_its_reader_says(
    catalog: Catalog, receiver: Receiver, patient_id: str, codes: set[str]
) -> None:
    receive(receiver, image(1, PatientName=None))
    receive(receiver, key_object_of(patient_id))
    with catalog.read() as connection:
        registration = connection.execute(select(key_object.c.registration)).scalar_one()
    assert registration == "registered"
    assert {code for _, code, _, _ in findings(catalog)} & {"STUDY_DIFFERS"} == codes


def test_it_costs_no_statement_while_they_agree(catalog: Catalog, receiver: Receiver) -> None:
    receive(receiver, image(1, **KNOWN))
    seen: list[str] = []
    with each_statement(catalog, seen.append):
        receive(receiver, image(2, **KNOWN))
    assert seen
    assert not [each for each in seen if "finding" in each]
