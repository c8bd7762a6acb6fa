"""Which way SQLite takes for each kind of query: none may walk through all instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from sqlalchemy import Connection, event

from kinote.catalog.queries.matching import Query, pages, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.queries.patients import patient_pages
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle.withdrawals.reasons import reasons_for_removal

_EVIDENCE = "CurrentRequestedProcedureEvidenceSequence.ReferencedSeriesSequence.ReferencedSOPSequence"

CASES: list[tuple[Level, str | None, dict[str, str], str]] = [
    (Level.STUDY, None, {}, "study_by_date"),
    (Level.STUDY, None, {"PatientID": "P"}, "study_by_patient_id (patient_id=?)"),
    (Level.STUDY, None, {"AccessionNumber": "A"}, "study_by_accession (accession_number=?)"),
    (Level.STUDY, None, {"StudyDate": "20240101"}, "study_by_date (study_date=?)"),
    (Level.STUDY, None, {"StudyDate": "20240101-"}, "study_by_date (study_date>?)"),
    (Level.STUDY, None, {"StudyDate": "20240101-20240202"}, "study_by_date (study_date>? AND study_date<?)"),
    (
        Level.STUDY,
        None,
        {"StudyDate": "20240101-20240202", "StudyTime": "10-12"},
        "study_by_date (study_date>? AND study_date<?)",
    ),
    (Level.STUDY, None, {"StudyInstanceUID": "1.1"}, "(study_instance_uid=?)"),
    (Level.STUDY, None, {"PatientName": "Smi*"}, "study_by_patient_name (patient_name_alphabetic>?"),
    (Level.STUDY, None, {"PatientName": "Smith^J"}, "study_by_patient_name (patient_name_alphabetic=?)"),
    (Level.STUDY, None, {"ModalitiesInStudy": "KO"}, "series_by_modality (modality=?)"),
    (Level.SERIES, None, {"Modality": "KO"}, "series_by_modality (modality=?)"),
    (Level.SERIES, "1.1", {}, "series USING INDEX series"),
    (Level.INSTANCE, "1.1", {}, "instance USING INDEX instance_by_s"),
    (Level.INSTANCE, None, {"SOPInstanceUID": "1.1"}, "(sop_instance_uid=?)"),
    (Level.INSTANCE, None, {"SOPClassUID": "1.1"}, "instance_by_class (sop_class_uid=?)"),
    (
        Level.INSTANCE,
        None,
        {"ObservationDateTime": "2024-2025"},
        "instance_by_observation (observed>? AND observed<?)",
    ),
    (
        Level.INSTANCE,
        None,
        {"ConceptNameCodeSequence.CodeValue": "113000"},
        "instance_by_concept (concept_value=?)",
    ),
    (
        Level.INSTANCE,
        None,
        {f"{_EVIDENCE}.ReferencedSOPInstanceUID": "1.1"},
        "note_reference_by_instance (sop_instance_uid=?)",
    ),
    (
        Level.INSTANCE,
        None,
        {"ReferencedRequestSequence.RequestedProcedureID": "R"},
        "key_object_request_by_procedure (requested_procedure_id=?)",
    ),
    (
        Level.INSTANCE,
        None,
        {"ReferencedRequestSequence.AccessionNumber": "R"},
        "key_object_request_by_accession (accession_number=?)",
    ),
    (Level.INSTANCE, None, {"PatientID": "P", "Modality": "KO"}, "study_by_patient_id (patient_id=?)"),
]


@pytest.mark.parametrize(("level", "study", "keys", "way"), CASES)
def test_queries_take_an_index(
    sqlite_url: str, level: Level, study: str | None, keys: dict[str, str], way: str
) -> None:
    plans = plan(sqlite_url, Query(level, study, keys={path_of(k): value for k, value in keys.items()}))
    assert any(way in step for step in plans), plans
    # The order of the answer may walk along the live instances, but never their whole table.
    assert not [step for step in plans if step in ("SCAN instance", "SCAN study", "SCAN series")], plans


@pytest.mark.parametrize(("level", "study", "keys", "way"), CASES)
def test_all_pages_take_the_same_index(
    sqlite_url: str, level: Level, study: str | None, keys: dict[str, str], way: str
) -> None:
    query = Query(level, study, keys={path_of(k): value for k, value in keys.items()}, limit=None)
    plans = plan(sqlite_url, query, pages)
    assert any(way in step for step in plans), plans
    assert not [step for step in plans if step in ("SCAN instance", "SCAN study", "SCAN series")], plans


@pytest.mark.parametrize("ask", [search, pages])
@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("study", [None, "1.1"])
def test_queries_for_what_is_removed_take_an_index(
    sqlite_url: str, level: Level, study: str | None, ask: Callable[[Connection, Query], Iterable[object]]
) -> None:
    plans = plan(sqlite_url, Query(level, study, removed=reasons_for_removal), ask)
    assert any("instance_not_live" in step or "instance_by_s" in step for step in plans), plans
    assert not [step for step in plans if step in ("SCAN instance", "SCAN series")], plans


@pytest.mark.parametrize(
    ("keys", "way"),
    [
        ({}, "SCAN study USING INDEX study_by_patient"),
        ({"PatientID": "P"}, "study_by_patient_id (patient_id=?)"),
        ({"PatientName": "Smi*"}, "study_by_patient_name (patient_name_alphabetic>?"),
        ({"StudyDate": "20240101"}, "study_by_date (study_date=?)"),
        ({"StudyInstanceUID": "1.1"}, "(study_instance_uid=?)"),
    ],
)
def test_queries_by_patient_take_an_index(sqlite_url: str, keys: dict[str, str], way: str) -> None:
    query = Query(Level.STUDY, keys={path_of(k): value for k, value in keys.items()})
    plans = plan(sqlite_url, query, patient_pages)
    assert any(way in step for step in plans), plans
    assert not [step for step in plans if step in ("SCAN study", "SCAN patient")], plans


def plan(url: str, query: Query, ask: Callable[[Connection, Query], Iterable[object]] = search) -> list[str]:
    """The steps of all statements that the query comes to."""
    catalog = Catalog(CatalogOptions(url))
    steps: list[str] = []

    def explain(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        driver = cursor.connection  # type: ignore[attr-defined]
        steps.extend(row[3] for row in driver.execute("EXPLAIN QUERY PLAN " + statement, parameters))

    with catalog.read() as connection:
        connection.begin()
        event.listen(connection, "before_cursor_execute", explain)
        list(ask(connection, query))
    catalog.close()
    return steps
