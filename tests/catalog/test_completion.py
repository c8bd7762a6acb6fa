"""What a study and a series are described by: live instances, the first of them first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from kinote.catalog.instances.study_text import matches
from kinote.catalog.queries.matching import Query, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.schema.tables import patient, study
from kinote.catalog.transactions.catalog import Catalog
from tests.catalog.archive import data_set, keep_each, store

POOR: dict[str, Any] = {"PatientID": "P1"}
RIGHT = {
    "PatientID": "P1",
    "PatientName": "Doe^Jane",
    "StudyDate": "20240105",
    "StudyDescription": "CT Thorax",
    "AccessionNumber": "A1",
}
WRONG = {
    "PatientID": "P9",
    "PatientName": "Roe^Richard",
    "StudyDate": "19990909",
    "StudyDescription": "MR Knee",
    "AccessionNumber": "A9",
    "StudyID": "S9",
}


def image(number: int, described: dict[str, Any], **more: Any) -> Dataset:
    return data_set("1.1", "1.1.1", f"1.1.1.{number}", **described, **more)


def described(catalog: Catalog) -> tuple[str, ...]:
    """What the row of the study says in columns that queries match."""
    columns = (
        study.c.patient_id,
        study.c.patient_name_alphabetic,
        study.c.study_date,
        study.c.study_description,
        study.c.accession_number,
        study.c.study_id,
        patient.c.patient_id.label("owner"),
    )
    with catalog.read() as connection:
        query = select(*columns).join(patient, patient.c.id == study.c.patient)
        return tuple(connection.execute(query).one())


def answered(catalog: Catalog, level: Level = Level.STUDY, **keys: str) -> list[dict[str, Any]]:
    query = Query(level, keys={path_of(name): value for name, value in keys.items()})
    with catalog.read() as connection:
        return [json.loads(each.json()) for each in search(connection, query)]


def found_by(catalog: Catalog, words: str) -> bool:
    with catalog.read() as connection:
        return connection.execute(select(study.c.id).where(matches(connection, words))).first() is not None


JANE = ("P1", "doe^jane", "20240105", "CT Thorax", "A1", "", "P1")


def test_gaps_are_filled_from_what_comes_later(catalog: Catalog) -> None:
    store(catalog, image(1, POOR))
    store(catalog, image(2, RIGHT))
    store(catalog, image(3, {**WRONG, "StudyID": ""}))
    assert described(catalog) == JANE
    (answer,) = answered(catalog, PatientName="doe*")
    assert answer["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert found_by(catalog, "thorax jane")


@pytest.mark.parametrize("standing", ["held", "withdrawn"])
def test_law_1_gaps_are_not_filled_from_what_is_not_live(catalog: Catalog, standing: str) -> None:
    store(catalog, image(1, POOR))
    store(catalog, image(2 if standing == "withdrawn" else 1, WRONG), standing=standing)
    assert described(catalog) == ("P1", "", "", "", "", "", "P1")
    assert answered(catalog, AccessionNumber="A9") == []
    assert not found_by(catalog, "richard")
    (answer,) = answered(catalog)
    assert "Value" not in answer.get("00100010", {})


@pytest.mark.parametrize("standing", ["held", "withdrawn"])
def test_law_1_the_first_live_instance_describes_its_study_anew(catalog: Catalog, standing: str) -> None:
    store(catalog, image(1, WRONG, SeriesDescription="knee"), standing=standing)
    store(catalog, image(2, RIGHT, SeriesDescription="thorax"))
    assert described(catalog) == JANE
    assert not found_by(catalog, "richard")
    assert found_by(catalog, "jane")
    (answer,) = answered(catalog)
    assert "00200010" not in answer or "Value" not in answer["00200010"]
    (series,) = answered(catalog, Level.SERIES, SeriesDescription="thorax")
    assert series["0008103E"]["Value"] == ["thorax"]


@pytest.mark.parametrize("live_at", [0, 1])
def test_law_1_of_one_group_the_live_instances_describe(catalog: Catalog, live_at: int) -> None:
    came = [(image(1, WRONG, SeriesDescription="knee"), "held")]
    came.insert(live_at, (image(2, RIGHT, SeriesDescription="thorax"), "live"))
    catalog.write(lambda transaction: keep_each(transaction, came))
    assert described(catalog) == JANE
    assert answered(catalog, Level.SERIES, SeriesDescription="knee") == []


def test_all_of_a_group_fill_gaps(catalog: Catalog) -> None:
    store(catalog, image(1, POOR), image(2, RIGHT))
    assert described(catalog) == JANE


def test_a_withdrawn_instance_says_more_than_a_held_copy(catalog: Catalog) -> None:
    """It may be restored; a held copy never becomes live as it is."""
    store(catalog, image(1, WRONG), standing="held")
    store(catalog, image(2, RIGHT), standing="withdrawn")
    assert described(catalog) == JANE


def test_a_patient_may_become_known_later(catalog: Catalog) -> None:
    store(catalog, image(1, {}))
    store(catalog, image(2, {"PatientID": "P1", "IssuerOfPatientID": "H1"}))
    store(catalog, image(3, {"PatientID": "P2"}))
    assert described(catalog)[0] == described(catalog)[-1] == "P1"
    (answer,) = answered(catalog, PatientID="P1", IssuerOfPatientID="H1")
    assert (answer["00100020"]["Value"], answer["00100021"]["Value"]) == (["P1"], ["H1"])


def test_id_and_issuer_are_of_one_instance(catalog: Catalog) -> None:
    """The issuer of another ID says nothing of a study's own."""
    store(catalog, image(1, {"PatientID": "P1"}))
    store(catalog, image(2, {"PatientID": "P7", "IssuerOfPatientID": "H7", "StudyID": "S1"}))
    (answer,) = answered(catalog)
    assert "Value" not in answer.get("00100021", {})
    assert answer["00200010"]["Value"] == ["S1"]


def test_another_patients_instance_fills_no_gaps(catalog: Catalog) -> None:
    store(catalog, image(1, POOR))
    store(catalog, image(2, WRONG))
    assert described(catalog) == ("P1", "", "", "", "", "", "P1")
