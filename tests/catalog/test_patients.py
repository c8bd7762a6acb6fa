"""Queries by patient, and all matches of a query page by page."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from kinote.catalog.queries import matching, patients
from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import Query, pages, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.queries.patients import PATIENT_COUNTS, patient_pages
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.catalog.archive import data_set, store

COUNTS = frozenset((tag,) for tag in PATIENT_COUNTS)


@pytest.fixture
def archive(catalog: Catalog) -> Catalog:
    """A patient with two studies, one of the same ID elsewhere, two without an ID, one withdrawn whole."""
    store(
        catalog,
        data_set("1.1", "1.1.1", "1.1.1.1", PatientID="P1", PatientName="Doe^Jane", StudyDate="20240101"),
        data_set("1.1", "1.1.2", "1.1.2.1", PatientID="P1", PatientName="Doe^Jane", Modality="MR"),
        data_set("1.2", "1.2.1", "1.2.1.1", PatientID="P1", PatientName="Doe^J", StudyDate="20240202"),
        data_set("1.3", "1.3.1", "1.3.1.1", PatientID="P1", IssuerOfPatientID="H2", PatientSex="F"),
        data_set("1.4", "1.4.1", "1.4.1.1", PatientName="Nobody^A"),
        data_set("1.5", "1.5.1", "1.5.1.1", PatientName="Nobody^B"),
    )
    store(catalog, data_set("1.6", "1.6.1", "1.6.1.1", PatientID="P6"), standing="withdrawn")
    return catalog


def found(
    catalog: Catalog, keys: dict[str, str], include: frozenset[tuple[int, ...]] = frozenset()
) -> list[Any]:
    query = Query(Level.STUDY, keys={path_of(name): value for name, value in keys.items()}, include=include)
    with catalog.read() as connection:
        return [
            json.loads("{" + ",".join(lines) + "}")
            for page in patient_pages(connection, query)
            for lines in page
        ]


def value(match: Any, keyword: str) -> Any:
    values = match.get(f"{path_of(keyword)[0]:08X}", {}).get("Value", [""])
    return values[0].get("Alphabetic") if isinstance(values[0], dict) else values[0]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [("", "Nobody^B"), ("", "Nobody^A"), ("P1", ""), ("P1", "Doe^J")]),
        ({"PatientID": "P1"}, [("P1", ""), ("P1", "Doe^J")]),
        ({"PatientID": "P1", "IssuerOfPatientID": "H2"}, [("P1", "")]),
        ({"PatientID": "P6"}, []),
        ({"PatientName": "doe*"}, [("P1", "Doe^J")]),
        # Told of by the study that matches, so that the answer fits the question.
        ({"PatientName": "doe^jane"}, [("P1", "Doe^Jane")]),
        ({"StudyDate": "20240101"}, [("P1", "Doe^Jane")]),
        ({"Modality": "MR"}, [("P1", "Doe^Jane")]),
        ({"StudyInstanceUID": "1.5"}, [("", "Nobody^B")]),
    ],
)
def test_patients_are_found_once_each(
    archive: Catalog, keys: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    answered = [(value(each, "PatientID"), value(each, "PatientName")) for each in found(archive, keys)]
    assert sorted(answered) == sorted(expected)


def test_an_answer_tells_of_the_patient_only(archive: Catalog) -> None:
    (match,) = found(archive, {"PatientID": "P1", "IssuerOfPatientID": "H2"})
    assert {*match} <= {"00080005", "00100010", "00100020", "00100021", "00100030", "00100040"}
    assert value(match, "PatientSex") == "F"


def test_counts_are_those_of_the_patient_and_of_what_is_live(archive: Catalog) -> None:
    (match,) = found(archive, {"StudyDate": "20240101"}, COUNTS)
    assert [value(match, f"NumberOfPatientRelated{of}") for of in ("Studies", "Series", "Instances")] == [
        2,
        3,
        3,
    ]
    (other,) = found(archive, {"PatientName": "Nobody^A"})
    assert f"{PATIENT_COUNTS[0]:08X}" not in other


def test_a_value_that_does_not_fit_is_refused(archive: Catalog) -> None:
    with pytest.raises(InvalidKeyError):
        found(archive, {"StudyDate": "yesterday"})


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(("offset", "limit"), [(0, None), (1, None), (2, 3), (0, 4)])
def test_all_pages_together_are_what_a_search_finds(
    archive: Catalog, monkeypatch: pytest.MonkeyPatch, level: Level, offset: int, limit: int | None
) -> None:
    monkeypatch.setattr(matching, "PAGE", 2)
    query = Query(level, offset=offset, limit=limit)
    with archive.read() as connection:
        together = list(pages(connection, query))
        assert [each for page in together for each in page] == search(connection, query)
    assert max(len(page) for page in together) <= 2


def test_pages_of_patients(archive: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(archive, {}, COUNTS)
    monkeypatch.setattr(patients, "PAGE", 1)
    assert found(archive, {}, COUNTS) == whole


@pytest.mark.filterwarnings("ignore:The value length")
def test_pages_cost_the_memory_of_one(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    long = "x" * 2000
    for first in range(0, 1000, 100):
        store(
            catalog,
            *(
                data_set(f"1.{n}", f"1.{n}.1", f"1.{n}.1.1", PatientID=f"P{n}", StudyDescription=long)
                for n in range(first, first + 100)
            ),
        )
    monkeypatch.setattr(matching, "PAGE", 10)
    monkeypatch.setattr(patients, "PAGE", 10)
    query = Query(Level.STUDY, limit=None)
    with catalog.read() as connection:
        assert sum(len(page) for page in pages(connection, query)) == 1000
        tracemalloc.start()
        for ask in (pages, patient_pages):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            assert sum(len(page) for page in ask(connection, query)) == 1000
            assert tracemalloc.get_traced_memory()[1] - before < 600_000
        tracemalloc.stop()
    catalog.close()
