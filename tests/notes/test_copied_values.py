"""Key objects made here have no value that breaks its representation, whatever their study was received with."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import finding, instance, study
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.notes.creator.copied_values import as_written
from tests.notes.sample_studies import FIRST, IMAGE, bytes_of, made, request


@pytest.mark.parametrize(
    ("field", "received", "written"),
    [
        ("study_time", "08:30:00", "083000"),
        ("study_time", "8:30", "0830"),
        ("study_time", "083000.12345678", "083000.123456"),
        ("study_time", "083000.5", "083000.5"),
        ("study_time", "25:00:00", ""),
        ("study_time", "morning", ""),
        ("study_date", "2026.01.02", "20260102"),
        ("study_date", "2026-01-02", "20260102"),
        ("study_date", "20260231", ""),
        ("patient_birth_date", "02.01.1970", ""),
        ("patient_sex", "m", "M"),
        ("patient_sex", "Female", "F"),
        ("patient_sex", "U", ""),
        ("study_id", "S" * 17, ""),
        ("accession_number", " A1", "A1"),
        ("accession_number", "A\nB", ""),
        ("study_description", "x" * 65, ""),
        ("patient_name", "a^b^c^d^e^f", ""),
        ("patient_name", "Doe^Jane", "Doe^Jane"),
        # Without it, or with another one, a document would be somebody else's.
        ("patient_id", "P" * 70, "P" * 70),
        ("study_date", "", ""),
    ],
)
def test_a_value_is_repaired_or_left_out(field: str, received: str, written: str) -> None:
    assert as_written(field, received) == written
    assert as_written(field, written) == written


def test_a_study_with_such_a_value_has_a_finding_once(filled: Catalog) -> None:
    with filled.read() as connection:
        query = select(study.c.attributes).where(study.c.study_instance_uid == FIRST)
        attributes = json.loads(connection.execute(query).scalar_one())
    attributes["00080030"] = {"vr": "TM", "Value": ["08:30:00"]}
    attributes["00100040"] = {"vr": "CS", "Value": ["X"]}
    changed = (
        study.update().where(study.c.study_instance_uid == FIRST).values(attributes=json.dumps(attributes))
    )
    filled.write(lambda transaction: transaction.execute(changed))
    for _ in range(2):
        note = made(filled, request(IMAGE))
    document = scan(bytes_of(filled, note)[0], EXPLICIT_VR_LITTLE_ENDIAN)
    assert (document.text(0x00080030), document.text(0x00100040)) == ("083000", "")
    with filled.read() as connection:
        found = connection.execute(
            select(finding.c.place, finding.c.text)
            .join(instance, instance.c.id == finding.c.instance)
            .where(finding.c.code == "STUDY_VALUE_MALFORMED")
            .order_by(finding.c.id)
        ).all()
    assert [each.place for each in found] == ["PatientSex", "StudyTime"]
    assert "'08:30:00' becomes 083000" in found[1].text
    assert "'X' is left out" in found[0].text
