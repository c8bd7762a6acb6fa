"""Queries: attribute matching at every level, on both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, update

from kinote.catalog.queries.conditions import InvalidKeyError
from kinote.catalog.queries.matching import ALL, Query, ignored_keys, search
from kinote.catalog.queries.matching_keys import MATCHED, Level, UnknownAttributeError, path_of
from kinote.catalog.schema.tables import (
    instance,
    key_object,
    key_object_request,
    note,
    note_modifier,
    note_reference,
    note_version,
)
from kinote.catalog.sql.text_grams import fold, grams
from kinote.catalog.sql.text_index import NOTE_TEXT
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.value_representations import implicit_vr
from kinote.lifecycle import counts
from kinote.lifecycle.withdrawals.reasons import reasons_for_removal
from tests.catalog.archive import CT, KOS, MR, data_set, keep, store

REQUESTS = [{"StudyInstanceUID": "1.1", "AccessionNumber": "A1", "RequestedProcedureID": "RP1"}]


def code(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


@pytest.fixture
def archive(catalog: Catalog) -> Catalog:
    """Three studies of two patients, one with a key object; and one whose only instance is withdrawn."""
    first = {
        "PatientID": "P1",
        "PatientName": "Müller^Anna",
        "PatientBirthDate": "19500102",
        "StudyDate": "20240105",
        "StudyTime": "101530",
        "AccessionNumber": "A1",
        "StudyDescription": "CT Thorax [low] 100%",
        "ReferringPhysicianName": "Product^Gregory",
    }
    requested = [{"RequestedProcedureID": "RP1", "ScheduledProcedureStepID": "S1"}]
    second = {
        "PatientID": "P1",
        "PatientName": "Müller^Anna^^",
        "StudyDate": "20240210",
        "AccessionNumber": "A2",
    }
    third = {
        "PatientID": "P2",
        "IssuerOfPatientID": "H2",
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "StudyDate": "20231224",
        "StudyTime": "235959.25",
        "StudyDescription": "MR Head",
    }
    store(
        catalog,
        *(
            data_set(
                "1.1",
                "1.1.1",
                f"1.1.1.{number}",
                InstanceNumber=number,
                SeriesNumber=2,
                Rows=512,
                SeriesDescription="axial",
                BodyPartExamined="CHEST",
                RequestAttributesSequence=requested,
                **first,
            )
            for number in (3, 1, 2)
        ),
        data_set(
            "1.1",
            "1.1.2",
            "1.1.2.1",
            SOPClassUID=KOS,
            Modality="KO",
            SeriesNumber=1,
            InstanceNumber=1,
            ContentDate="20240106",
            ContentTime="090000",
            ConceptNameCodeSequence=[code("113000", "DCM", "Of Interest")],
            ReferencedRequestSequence=REQUESTS,
            **first,
        ),
        data_set("1.2", "1.2.1", "1.2.1.1", SeriesNumber=1, **second),
        data_set("1.3", "1.3.1", "1.3.1.1", SOPClassUID=MR, Modality="MR", **third),
    )
    store(
        catalog,
        *(
            data_set("1.1", "1.1.1", f"1.1.1.{number}", InstanceNumber=number, SeriesNumber=2, Rows=512)
            for number in (3, 1, 2)
        ),
        standing="held",
    )
    store(catalog, data_set("1.4", "1.4.1", "1.4.1.1", PatientID="P1"), standing="withdrawn")
    catalog.write(register_note)
    return catalog


def register_note(transaction: Connection) -> None:
    """What the registrar makes of the key object: a note with one reference and one modifier."""
    (key,) = transaction.execute(
        instance.select().with_only_columns(instance.c.id).where(instance.c.sop_instance_uid == "1.1.2.1")
    ).scalars()
    owner = transaction.execute(note.insert().returning(note.c.id), {"origin": "received"}).scalar_one()
    version = transaction.execute(
        note_version.insert().returning(note_version.c.id),
        {
            "note": owner,
            "number": 1,
            "is_current": True,
            "title_scheme": "DCM",
            "title_value": "113000",
            "title_meaning": "Of Interest",
            "title_group": "clinical",
            "description": "Nodule in the left lung",
            "language": "",
            "author_kind": "person",
            "author_name": "",
            "author_login": "",
            "author_verified": False,
            "created": "",
            "registered_at": "",
            "fingerprint": "",
            "references_from": "content",
        },
    ).scalar_one()
    transaction.execute(
        note_reference.insert(),
        {
            "version": version,
            "position": 0,
            "study_instance_uid": "1.1",
            "series_instance_uid": "1.1.1",
            "sop_class_uid": CT,
            "sop_instance_uid": "1.1.1.2",
        },
    )
    transaction.execute(
        note_modifier.insert(),
        {"version": version, "position": 0, "scheme": "DCM", "value": "113011", "meaning": "Best"},
    )
    folded = fold("Nodule in the left lung")
    NOTE_TEXT.fill(transaction, [(owner, folded, grams(folded))])
    transaction.execute(
        key_object.insert(), {"instance": key, "registration": "registered", "version": version}
    )
    transaction.execute(
        key_object_request.insert(),
        {
            "instance": key,
            "position": 0,
            "study_instance_uid": "1.1",
            "accession_number": "A1",
            "requested_procedure_id": "RP1",
        },
    )


def found(
    catalog: Catalog,
    level: Level,
    keys: dict[str, str],
    *,
    study: str | None = None,
    fuzzy: bool = False,
) -> list[str]:
    """The UIDs of the level that are found; keys are written as in an address."""
    query = Query(
        level,
        study_instance_uid=study,
        keys={path_of(name): value for name, value in keys.items()},
        fuzzy=fuzzy,
    )
    with catalog.read() as connection:
        answers = search(connection, query)
    return [each.sop_instance_uid or each.series_instance_uid or each.study_instance_uid for each in answers]


STUDIES: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["1.2", "1.1", "1.3"]),
    ({"PatientID": "P1"}, ["1.2", "1.1"]),
    ({"PatientID": "p1"}, []),
    ({"PatientID": " P1 "}, ["1.2", "1.1"]),
    ({"PatientID": "*"}, ["1.2", "1.1", "1.3"]),
    ({"PatientID": "P?"}, ["1.2", "1.1", "1.3"]),
    ({"PatientID": "*1"}, ["1.2", "1.1"]),
    ({"PatientID": "P1\\P2"}, ["1.2", "1.1", "1.3"]),
    ({"IssuerOfPatientID": "H2"}, ["1.3"]),
    ({"IssuerOfPatientID": '""'}, ["1.2", "1.1"]),
    ({"StudyInstanceUID": "1.1"}, ["1.1"]),
    ({"StudyInstanceUID": "1.1\\1.3"}, ["1.1", "1.3"]),
    ({"StudyInstanceUID": "1.1,1.2,9.9"}, ["1.2", "1.1"]),
    ({"StudyInstanceUID": "1.4"}, []),
    ({"AccessionNumber": "A1"}, ["1.1"]),
    ({"AccessionNumber": '""'}, ["1.3"]),
    ({"StudyDate": "20240105"}, ["1.1"]),
    ({"StudyDate": "20240101-20240131"}, ["1.1"]),
    ({"StudyDate": "20240106-"}, ["1.2"]),
    ({"StudyDate": "-20240105"}, ["1.1", "1.3"]),
    ({"StudyDate": "2024.01.05"}, ["1.1"]),
    ({"StudyTime": "10"}, ["1.1"]),
    ({"StudyTime": "1000-1015"}, ["1.1"]),
    ({"StudyTime": "1000-101529"}, []),
    ({"StudyTime": "-235959.2"}, ["1.1", "1.3"]),
    ({"StudyTime": "-235959.1"}, ["1.1"]),
    ({"StudyDescription": "CT Thorax [low] 100%"}, ["1.1"]),
    ({"StudyDescription": "CT Thorax [l*"}, ["1.1"]),
    ({"StudyDescription": "*[low]*"}, ["1.1"]),
    ({"StudyDescription": "*_low*"}, []),
    ({"StudyDescription": "*0%"}, ["1.1"]),
    ({"StudyDescription": "%"}, []),
    ({"PatientName": "MÜLLER^ANNA"}, ["1.2", "1.1"]),
    ({"PatientName": "müller*"}, ["1.2", "1.1"]),
    ({"PatientName": "m?ller^anna"}, ["1.2", "1.1"]),
    ({"PatientName": "Müller"}, []),
    ({"PatientName": "yamada^tarou"}, ["1.3"]),
    ({"PatientName": "山田*"}, ["1.3"]),
    ({"PatientName": "やまだ*"}, ["1.3"]),
    ({"PatientName": "=山田^太郎"}, ["1.3"]),
    ({"PatientName": "yamada*=山田*=*"}, ["1.3"]),
    ({"PatientName": "=やまだ*"}, []),
    ({"ReferringPhysicianName": "product*"}, ["1.1"]),
    ({"ModalitiesInStudy": "KO"}, ["1.1"]),
    ({"ModalitiesInStudy": "MR\\KO"}, ["1.1", "1.3"]),
    ({"ModalitiesInStudy": "C*"}, ["1.2", "1.1"]),
    ({"ModalitiesInStudy": "CT", "PatientID": "P2"}, []),
    ({"Modality": "KO"}, ["1.1"]),
    ({"SOPClassUID": MR}, ["1.3"]),
    ({"SOPClassUID": CT, "Modality": "KO"}, []),
    ({"ConceptNameCodeSequence.CodeValue": "113000"}, ["1.1"]),
    ({"ContentSequence.TextValue": "left"}, ["1.1"]),
]


@pytest.mark.parametrize(("keys", "uids"), STUDIES)
def test_studies(archive: Catalog, keys: dict[str, str], uids: list[str]) -> None:
    assert found(archive, Level.STUDY, keys) == uids


@pytest.mark.parametrize(
    ("name", "uids"),
    [
        ("ann", ["1.2", "1.1"]),
        ("Anna Müll", ["1.2", "1.1"]),
        ("nna", []),
        ("tar yam", ["1.3"]),
        ("太郎", ["1.3"]),
        ("anna yamada", []),
    ],
)
def test_words_of_a_name_match_fuzzily_by_their_beginning(
    archive: Catalog, name: str, uids: list[str]
) -> None:
    assert found(archive, Level.STUDY, {"PatientName": name}, fuzzy=True) == uids


SERIES: list[tuple[str | None, dict[str, str], list[str]]] = [
    ("1.1", {}, ["1.1.2", "1.1.1"]),
    (None, {}, ["1.3.1", "1.2.1", "1.1.2", "1.1.1"]),
    (None, {"Modality": "KO"}, ["1.1.2"]),
    (None, {"PatientID": "P1", "Modality": "CT"}, ["1.2.1", "1.1.1"]),
    (None, {"SeriesNumber": "2"}, ["1.1.1"]),
    (None, {"SeriesNumber": "02\\7"}, ["1.1.1"]),
    (None, {"SeriesNumber": '""'}, ["1.3.1"]),
    (None, {"SeriesInstanceUID": "1.1.1\\1.3.1"}, ["1.3.1", "1.1.1"]),
    (None, {"SeriesDescription": "ax*", "BodyPartExamined": "CHEST"}, ["1.1.1"]),
    (None, {"RequestAttributesSequence.RequestedProcedureID": "RP1"}, ["1.1.1"]),
    (None, {"RequestAttributesSequence.ScheduledProcedureStepID": "S?"}, ["1.1.1"]),
    (None, {"RequestAttributesSequence.ScheduledProcedureStepID": "X"}, []),
    ("1.4", {}, []),
    ("1.1", {"SOPClassUID": KOS}, ["1.1.2"]),
    (None, {"ModalitiesInStudy": "KO"}, ["1.1.2", "1.1.1"]),
]


@pytest.mark.parametrize(("study", "keys", "uids"), SERIES)
def test_series(archive: Catalog, study: str | None, keys: dict[str, str], uids: list[str]) -> None:
    # The order of numbers that are missing differs between the databases and means nothing.
    assert sorted(found(archive, Level.SERIES, keys, study=study)) == sorted(uids)


EVIDENCE = "CurrentRequestedProcedureEvidenceSequence."
INSTANCES: list[tuple[str | None, dict[str, str], list[str]]] = [
    ("1.1", {}, ["1.1.2.1", "1.1.1.1", "1.1.1.2", "1.1.1.3"]),
    ("1.1", {"InstanceNumber": "2"}, ["1.1.1.2"]),
    ("1.1", {"Rows": "512", "SOPInstanceUID": "1.1.1.3,1.1.1.1"}, ["1.1.1.1", "1.1.1.3"]),
    ("1.4", {}, []),
    (None, {"SOPInstanceUID": "1.4.1.1"}, []),
    (None, {"SOPClassUID": KOS}, ["1.1.2.1"]),
    (None, {"PatientID": "P2"}, ["1.3.1.1"]),
    (None, {"Modality": "KO", "PatientName": "m*"}, ["1.1.2.1"]),
    (None, {"ConceptNameCodeSequence.CodeValue": "113000"}, ["1.1.2.1"]),
    (None, {"0040A043.00080100": "113000", "0040A043.00080102": "DCM"}, ["1.1.2.1"]),
    (None, {"0040A043.00080100": "113000", "0040A043.00080102": "99X"}, []),
    (None, {"ConceptNameCodeSequence.CodeMeaning": "Of*"}, ["1.1.2.1"]),
    (None, {"ContentDate": "20240101-20240110", "ContentTime": "09"}, ["1.1.2.1"]),
    (None, {"ReferencedRequestSequence.RequestedProcedureID": "RP1"}, ["1.1.2.1"]),
    ("1.1", {"ReferencedRequestSequence.AccessionNumber": "A1"}, ["1.1.2.1"]),
    (
        None,
        {
            "ReferencedRequestSequence.AccessionNumber": "A1",
            "ReferencedRequestSequence.RequestedProcedureID": "RP2",
        },
        [],
    ),
    (None, {EVIDENCE + "ReferencedSeriesSequence.ReferencedSOPSequence.00081155": "1.1.1.2"}, ["1.1.2.1"]),
    ("1.1", {EVIDENCE + "ReferencedSeriesSequence.ReferencedSOPSequence.00081155": "1.1.1.1"}, []),
    (None, {EVIDENCE + "StudyInstanceUID": "1.1"}, ["1.1.2.1"]),
    (None, {"ContentSequence.TextValue": "LEFT  lung"}, ["1.1.2.1"]),
    (None, {"ContentSequence.TextValue": "Nodule*lung"}, ["1.1.2.1"]),
    (None, {"ContentSequence.TextValue": "*right*"}, []),
    (None, {"ContentSequence.TextValue": "lung?"}, []),
    ("1.1", {"ContentSequence.ConceptCodeSequence.CodeValue": "113011"}, ["1.1.2.1"]),
    (None, {"ContentSequence.ConceptCodeSequence.CodeValue": "113012"}, []),
]


@pytest.mark.parametrize(("study", "keys", "uids"), INSTANCES)
def test_instances(archive: Catalog, study: str | None, keys: dict[str, str], uids: list[str]) -> None:
    assert found(archive, Level.INSTANCE, keys, study=study) == uids


@pytest.mark.parametrize("level", Level)
def test_law_1_what_is_not_live_is_in_no_answer(archive: Catalog, level: Level) -> None:
    def withdraw(transaction: Connection) -> None:
        rows = transaction.execute(
            instance.select().where(instance.c.sop_instance_uid == "1.1.2.1", instance.c.standing == "live")
        ).all()
        transaction.execute(
            update(instance).where(instance.c.id == bindparam("key")).values(standing="withdrawn"),
            [{"key": row.id} for row in rows],
        )
        counts.add(transaction, {(row.study, row.series): -1 for row in rows})

    titled = {"ConceptNameCodeSequence.CodeValue": "113000"}
    reverse = {EVIDENCE + "ReferencedSeriesSequence.ReferencedSOPSequence.00081155": "1.1.1.2"}
    assert found(archive, level, titled)
    assert found(archive, level, reverse)
    archive.write(withdraw)
    for keys in (titled, reverse, {"Modality": "KO"}, {"ModalitiesInStudy": "KO"}, {"SOPClassUID": KOS}):
        assert found(archive, level, keys) == []


def answers(catalog: Catalog, query: Query) -> list[dict[str, Any]]:
    with catalog.read() as connection:
        return [json.loads(each.json()) for each in search(connection, query)]


def test_a_study_is_answered_with_its_counts(archive: Catalog) -> None:
    query = Query(
        Level.STUDY,
        keys={path_of("AccessionNumber"): "A1"},
        include=frozenset({path_of("SOPClassesInStudy")}),
    )
    (study,) = answers(archive, query)
    assert list(study) == sorted(study)
    assert study["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
    assert study["00080061"] == {"vr": "CS", "Value": ["CT", "KO"]}
    assert study["00080062"] == {"vr": "UI", "Value": [CT, KOS]}
    assert study["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Anna"}]}
    assert study["0020000D"] == {"vr": "UI", "Value": ["1.1"]}
    assert study["00201206"] == {"vr": "IS", "Value": [2]}
    assert study["00201208"] == {"vr": "IS", "Value": [4]}


def test_bytes_that_must_be_recalled_are_said_to_be_near(archive: Catalog) -> None:
    archive.write(
        lambda transaction: transaction.execute(
            update(instance).where(instance.c.sop_instance_uid == "1.1.1.1").values(residence="remote")
        )
    )
    with archive.read() as connection:
        near = [
            json.loads(each.json())["00080056"]["Value"]
            for level in Level
            for each in search(connection, Query(level, study_instance_uid="1.1"))
        ]
    assert near == [["NEARLINE"], ["ONLINE"], ["NEARLINE"], ["ONLINE"], ["NEARLINE"], ["ONLINE"], ["ONLINE"]]


def test_series_and_instances_carry_what_the_path_leaves_open(archive: Catalog) -> None:
    def tags_of(query: Query) -> set[str]:
        return set(answers(archive, query)[0])

    name, modality, sop = "00100010", "00080060", "00080018"
    assert {name, modality} <= tags_of(Query(Level.SERIES))
    assert name not in tags_of(Query(Level.SERIES, study_instance_uid="1.1"))
    asked = frozenset({path_of("PatientName")})
    assert name in tags_of(Query(Level.SERIES, study_instance_uid="1.1", include=asked))
    assert {name, modality, sop} <= tags_of(Query(Level.INSTANCE))
    within = tags_of(Query(Level.INSTANCE, study_instance_uid="1.1", series_instance_uid="1.1.1"))
    assert {name, modality}.isdisjoint(within)
    assert {"0020000D", "0020000E", sop, "00080016", "00200013", "00280010"} <= within


def test_any_attribute_of_an_instance_can_be_returned(catalog: Catalog) -> None:
    store(
        catalog,
        data_set("1.1", "1.1.1", "1.1.1.1", KVP="120", ImageComments="two\nlines, {and} more", PatientID="P"),
    )
    one = Query(Level.INSTANCE, study_instance_uid="1.1", include=frozenset({path_of("KVP")}))
    (answer,) = answers(catalog, one)
    assert answer["00180060"] == {"vr": "DS", "Value": [120]}
    assert "00204000" not in answer
    (whole,) = answers(catalog, Query(Level.INSTANCE, study_instance_uid="1.1", include=ALL))
    assert whole["00204000"] == {"vr": "LT", "Value": ["two\nlines, {and} more"]}
    assert whole["00100020"]["Value"] == ["P"]
    assert list(whole) == sorted(whole)


def test_the_retrieve_url_goes_where_it_belongs(archive: Catalog) -> None:
    with archive.read() as connection:
        answer = search(connection, Query(Level.STUDY))[0]
    spliced = json.loads(answer.json("http://127.0.0.1/dicomweb/studies/1.2"))
    assert spliced["00081190"] == {"vr": "UR", "Value": ["http://127.0.0.1/dicomweb/studies/1.2"]}
    assert list(spliced) == sorted(spliced)


def test_pages_follow_each_other(catalog: Catalog) -> None:
    def fill(transaction: Connection) -> None:
        keep(
            transaction,
            [
                data_set(f"1.{n}", f"1.{n}.1", f"1.{n}.1.1", StudyDate=f"202401{1 + n % 3:02}")
                for n in range(25)
            ],
        )

    catalog.write(fill)
    with catalog.read() as connection:
        pages = [
            [each.study_instance_uid for each in search(connection, Query(Level.STUDY, limit=10, offset=at))]
            for at in (0, 10, 20, 30)
        ]
        whole = [each.study_instance_uid for each in search(connection, Query(Level.STUDY))]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [uid for page in pages for uid in page] == whole


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("StudyDate", "yesterday"),
        ("StudyDate", "20240101-tomorrow"),
        ("StudyDate", "-"),
        ("StudyDate", "20241301"),
        ("StudyTime", "25"),
        ("SeriesNumber", "1*"),
        ("InstanceNumber", "1.5"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(catalog: Catalog, name: str, value: str) -> None:
    path = path_of(name)
    with catalog.read() as connection, pytest.raises(InvalidKeyError) as refused:
        search(connection, Query(Level.INSTANCE, keys={path: value}))
    assert refused.value.path == path
    assert f"{path[0]:08X}" in str(refused.value)


def test_keys_that_are_not_matched_are_named() -> None:
    query = Query(
        Level.INSTANCE,
        keys={path_of("KVP"): "120", path_of("PatientID"): "P1", path_of("PatientComments"): ""},
    )
    assert ignored_keys(query) == (path_of("KVP"),)


def test_names_of_attributes() -> None:
    assert path_of("ConceptNameCodeSequence.CodeValue") == (0x0040A043, 0x00080100)
    assert path_of("0040A043.00080100") == (0x0040A043, 0x00080100)
    with pytest.raises(UnknownAttributeError, match="'NoSuchThing'"):
        path_of("ConceptNameCodeSequence.NoSuchThing")


def test_every_key_is_matched_by_the_vr_of_the_dictionary() -> None:
    assert {path for path, key in MATCHED.items() if implicit_vr(path[-1]) != key.vr} == set()


@pytest.mark.parametrize(
    ("level", "keys", "uids"),
    [
        (Level.INSTANCE, {}, ["1.4.1.1"]),
        (Level.INSTANCE, {"PatientID": "P1", "Modality": "CT", "SOPClassUID": CT}, ["1.4.1.1"]),
        (Level.INSTANCE, {"PatientID": "P2"}, []),
        (Level.INSTANCE, {"StudyInstanceUID": "1.1"}, []),
        (Level.SERIES, {"PatientID": "P1"}, ["1.4.1"]),
        (Level.SERIES, {"SOPInstanceUID": "1.1.1.1"}, []),
        (Level.STUDY, {}, ["1.4"]),
        (Level.STUDY, {"ModalitiesInStudy": "CT", "SOPInstanceUID": "1.4.1.1"}, ["1.4"]),
        (Level.STUDY, {"ModalitiesInStudy": "MR"}, []),
    ],
    ids=str,
)
def test_who_may_finds_what_is_removed_and_nothing_live_or_held(
    archive: Catalog, level: Level, keys: dict[str, str], uids: list[str]
) -> None:
    query = Query(
        level, keys={path_of(key): value for key, value in keys.items()}, removed=reasons_for_removal
    )
    with archive.read() as connection:
        answers = search(connection, query)
    deepest = [
        each.sop_instance_uid or each.series_instance_uid or each.study_instance_uid for each in answers
    ]
    assert deepest == uids
