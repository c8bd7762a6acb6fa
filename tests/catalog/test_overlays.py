"""What rows say of an instance's overlay, and what UIDs of before mean today."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from kinote.catalog.instances import headers as headers_module
from kinote.catalog.instances import received_values
from kinote.catalog.instances.headers import headers
from kinote.catalog.instances.overlays import overlays
from kinote.catalog.instances.received_values import todays_uids
from kinote.catalog.queries.matching import ALL, Query, search
from kinote.catalog.queries.matching_keys import Level
from kinote.catalog.schema.tables import instance, received_value, series, study
from kinote.catalog.sql import dialects
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.overlay.changes import Overlay
from tests.catalog.archive import data_set, store
from tests.corrected import correct, mark_references


def uid(value: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]}


def overlay_of(catalog: Catalog, key: int) -> Overlay | None:
    with catalog.read() as connection:
        return overlays(connection, [key]).get(key)


def test_an_instance_has_the_corrections_of_its_study_series_and_its_own(catalog: Catalog) -> None:
    one, other = store(
        catalog,
        data_set("1.1", "1.1.1", "1.1.1.1", PatientID="P1", AccessionNumber="A1", Manufacturer="X"),
        data_set("1.2", "1.2.1", "1.2.1.1", PatientID="P2", AccessionNumber="A2"),
    )
    assert overlay_of(catalog, one.instance) is None
    correct(catalog, "study", "1.1", AccessionNumber={"vr": "SH", "Value": ["A7"]}, StudyID={"vr": "SH"})
    correct(catalog, "series", "1.1.1", "COERCE", Modality={"vr": "CS", "Value": ["MR"]})
    correct(catalog, "instance", "1.1.1.1", SOPInstanceUID=uid("1.9"))
    found = overlay_of(catalog, one.instance)
    assert found is not None
    assert [(dict(each.attributes), each.reason, each.changes_references) for each in found.changes] == [
        ({0x00080050: {"vr": "SH", "Value": ["A7"]}, 0x00200010: {"vr": "SH"}}, "CORRECT", False),
        ({0x00080060: {"vr": "CS", "Value": ["MR"]}}, "COERCE", False),
        ({0x00080018: uid("1.9")}, "CORRECT", True),
    ]
    assert {each.source for each in found.changes} == {"import"}
    assert found.uids == {"1.1.1.1": "1.9"}
    assert overlay_of(catalog, other.instance) is None


def test_a_later_instance_of_a_corrected_study_has_its_corrections(catalog: Catalog) -> None:
    store(catalog, data_set("1.1", "1.1.1", "1.1.1.1", PatientID="P1", AccessionNumber="A1"))
    correct(catalog, "study", "1.1", AccessionNumber={"vr": "SH", "Value": ["A7"]})
    (later,) = store(catalog, data_set("1.1", "1.1.1", "1.1.1.2", PatientID="P1", AccessionNumber="A1"))
    found = overlay_of(catalog, later.instance)
    assert found is not None
    assert found.attributes == {0x00080050: {"vr": "SH", "Value": ["A7"]}}


def test_the_whole_headers_of_answers_say_what_holds_now(catalog: Catalog) -> None:
    kept = store(
        catalog,
        data_set("1.1", "1.1.1", "1.1.1.1", PatientID="P1", AccessionNumber="A1"),
        data_set(
            "1.1",
            "1.1.1",
            "1.1.1.2",
            ReferencedStudySequence=[{"ReferencedSOPInstanceUID": "1.1"}],
            PatientID="P1",
        ),
    )
    correct(catalog, "study", "1.1", PatientID="P7", StudyInstanceUID=uid("1.9"))
    with catalog.read() as connection:
        found = headers(connection, [each.instance for each in kept])
        answers = search(connection, Query(level=Level.INSTANCE, include=ALL))
    for header in [json.loads(each) for each in found.values()] + [
        json.loads(each.json()) for each in answers
    ]:
        assert value(header, "00100020") == "P7"
        assert value(header, "0020000D") == "1.9"
        (item,) = header["04000561"]["Value"]
        assert value(item["04000550"]["Value"][0], "00100020") == "P1"
    referring = json.loads(found[kept[1].instance])
    assert value(referring["00081110"]["Value"][0], "00081155") == "1.9"


@pytest.mark.parametrize("attribute", ["NoAttributeOfThisVersion", "AccessionNumber"])
def test_law_5_what_cannot_be_laid_over_one_header_stops_no_other(catalog: Catalog, attribute: str) -> None:
    """Neither an attribute of a newer version, nor a value that is none."""
    kept = store(
        catalog,
        data_set("1.1", "1.1.1", "1.1.1.1", PatientID="P1"),
        data_set("1.2", "1.2.1", "1.2.1.1", PatientID="P1"),
        data_set("1.3", "1.3.1", "1.3.1.1", PatientID="P1"),
    )
    first, broken, last = (each.instance for each in kept)
    correct(catalog, "study", "1.1", AccessionNumber="A7")
    correct(catalog, "study", "1.2", AccessionNumber="A8")

    def break_one(transaction: Connection) -> None:
        found = select(study.c.id).where(study.c.study_instance_uid == "1.2").scalar_subquery()
        transaction.execute(
            update(received_value).where(received_value.c.key == found).values(attribute=attribute)
        )
        transaction.execute(
            update(study).where(study.c.id == found).values(attributes='{"00080050":["no attribute"]}')
        )

    catalog.write(break_one)
    not_correctable: set[int] = set()
    with catalog.read() as connection:
        found = headers(connection, [first, broken, last], not_correctable)
    assert found.keys() == {first, last}
    assert not_correctable == {broken}
    assert value(json.loads(found[first]), "00080050") == "A7"


def test_todays_uids_are_asked_for_once_for_all_headers(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [data_set(f"1.{n}", f"1.{n}.1", f"1.{n}.1.1") for n in range(1, 6)]
    referring = [
        data_set(
            "2.1", "2.1.1", f"2.1.1.{n}", SourceImageSequence=[{"ReferencedSOPInstanceUID": f"1.{n}.1.1"}]
        )
        for n in range(1, 6)
    ]
    store(catalog, *images)
    kept = store(catalog, *referring)
    for n in range(1, 6):
        correct(catalog, "instance", f"1.{n}.1.1", SOPInstanceUID=uid(f"1.9{n}"))
        mark_references(catalog, f"2.1.1.{n}")
    asked: list[set[str]] = []
    ask = received_values.todays_uids

    def counted(connection: Connection, uids: Collection[str]) -> dict[str, str]:
        asked.append(set(uids))
        return ask(connection, uids)

    monkeypatch.setattr(headers_module, "todays_uids", counted)
    with catalog.read() as connection:
        found = headers(connection, [each.instance for each in kept])
    assert len(asked) == 1
    for n, each in enumerate(kept, 1):
        header = json.loads(found[each.instance])
        assert value(header["00082112"]["Value"][0], "00081155") == f"1.9{n}"


def value(level: Mapping[str, Any], tag: str) -> Any:
    (found,) = level[tag]["Value"]
    return found


def test_a_reference_that_is_marked_follows_an_object_of_another_study(catalog: Catalog) -> None:
    store(catalog, data_set("1.1", "1.1.1", "1.1.1.1"))
    (referring,) = store(
        catalog,
        data_set("1.2", "1.2.1", "1.2.1.1", SourceImageSequence=[{"ReferencedSOPInstanceUID": "1.1.1.1"}]),
    )
    correct(catalog, "instance", "1.1.1.1", SOPInstanceUID=uid("1.9"))
    mark_references(catalog, "1.2.1.1")
    with catalog.read() as connection:
        found = json.loads(headers(connection, [referring.instance])[referring.instance])
    assert value(found["00082112"]["Value"][0], "00081155") == "1.9"
    (item,) = found["04000561"]["Value"]
    assert value(item["04000550"]["Value"][0]["00082112"]["Value"][0], "00081155") == "1.1.1.1"


def test_a_uid_means_what_it_has_become_if_that_can_be_told(catalog: Catalog) -> None:
    store(catalog, *(data_set(f"1.{n}", f"1.{n}.1", f"1.{n}.1.1") for n in range(1, 6)))
    correct(catalog, "instance", "1.1.1.1", SOPInstanceUID=uid("1.91"))
    correct(catalog, "series", "1.1.1", SeriesInstanceUID=uid("1.92"))
    correct(catalog, "study", "1.1", StudyInstanceUID=uid("1.93"))
    # Two studies that were one: the UID alone does not say which of them is meant.
    correct(catalog, "study", "1.2", StudyInstanceUID=uid("1.94"))
    correct(catalog, "study", "1.3", StudyInstanceUID=uid("1.95"))
    were_one(catalog, "1.2")
    # A study of which a part has become another one: its UID is still in use.
    correct(catalog, "study", "1.4", StudyInstanceUID=uid("1.96"))
    store(catalog, data_set("1.4", "1.4.2", "1.4.2.1"))
    with catalog.read() as connection:
        asked = ["1.1.1.1", "1.1.1", "1.1", "1.2", "1.3", "1.4", "1.5", "7.7", "A1"]
        assert todays_uids(connection, asked) == {"1.1.1.1": "1.91", "1.1.1": "1.92", "1.1": "1.93"}
        assert todays_uids(connection, []) == {}


def were_one(catalog: Catalog, received: str) -> None:
    def write(transaction: Connection) -> None:
        transaction.execute(
            update(received_value).where(received_value.c.value == "1.3").values(value=received)
        )

    catalog.write(write)


def test_the_uids_of_before_are_found_by_their_index(catalog: Catalog) -> None:
    """However many values have been corrected: those that are no UIDs are not in it."""
    (kept,) = store(catalog, data_set("1.1", "1.1.1", "1.1.1.1"))

    def fill(transaction: Connection) -> None:
        rows = [
            {"level": "study", "key": 1000 + number, "attribute": "StudyDescription", "value": "x" * 4000}
            for number in range(500)
        ]
        rows += [
            {
                "level": "instance",
                "key": 1000 + number,
                "attribute": "SOPInstanceUID",
                "value": f"1.7.{number}",
            }
            for number in range(500)
        ]
        transaction.execute(insert(received_value), rows)

    catalog.write(fill)
    with catalog.read() as connection:
        assert todays_uids(connection, ["1.7.3"]) == {}
        if dialects.is_sqlite(connection):
            for look_up in received_values._TODAY:
                compiled = look_up._compiled
                assert compiled is not None
                plan = connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {compiled.statement}", compiled.parameters({"wanted": "[]"})
                ).all()
                assert any("received_value_by_uid" in row[-1] for row in plan)
        for table in (instance, series, study):
            assert connection.execute(select(table.c.overlay)).scalars().all() == [0]
    assert overlay_of(catalog, kept.instance) is None
