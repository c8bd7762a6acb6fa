"""Making notes: what the index and the documents then say."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object_request, series
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.elements.dataset import scan
from kinote.keyobject import reader
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import BEST_IN_SET, BEST_IN_SET_OF, OF_INTEREST
from kinote.lifecycle import counts
from kinote.notes.acts.make import make
from kinote.notes.author import Author
from kinote.notes.content import moment
from kinote.notes.lists.note import as_json
from kinote.notes.lists.queries import notes_of_instance, notes_of_study
from tests.actors import ROE
from tests.catalog.archive import store
from tests.notes.sample_studies import (
    FIRST,
    FIRST_STATE,
    FRAMES,
    IMAGE,
    IMAGE_2,
    NOW,
    SECOND,
    SECOND_IMAGE,
    SEGMENTS,
    bytes_of,
    dataset_of,
    flag,
    made,
    object_of,
    request,
)
from tests.notes.statements import each_statement


def test_notes_come_in_the_order_they_were_made_whatever_the_offset(filled: Catalog) -> None:
    late = NOW.astimezone(timezone(timedelta(hours=-5))) + timedelta(hours=1)
    made(filled, request(IMAGE, description="later, by the earlier clock"), now=late)
    made(filled, request(IMAGE, description="before"), now=NOW.astimezone(timezone(timedelta(hours=9))))
    with filled.read() as connection:
        listed = notes_of_study(connection, FIRST), notes_of_instance(connection, IMAGE)
    for notes in listed:
        assert [note.description for note in notes] == ["before", "later, by the earlier clock"]


def test_a_document_says_its_time_in_the_zone_it_is_made_in(filled_sqlite: Catalog) -> None:
    said = []
    for hours in (0, 9):
        note = made(filled_sqlite, request(IMAGE), now=NOW.astimezone(timezone(timedelta(hours=hours))))
        reading = reader.read(bytes_of(filled_sqlite, note)[0], EXPLICIT_VR_LITTLE_ENDIAN)
        assert moment(reading.content_date, reading.content_time, reading.timezone) == note.created
        said.append(reading.timezone)
    assert said == ["+0000", "+0900"]


def test_a_note_is_there_with_its_document_at_once(filled: Catalog) -> None:
    note = made(filled, request(IMAGE, IMAGE_2), study=FIRST)
    assert (note.origin, note.standing, note.version) == ("authored", "live", 1)
    assert note.title == OF_INTEREST
    assert note.created == "2026-11-24T05:31:00.250000+00:00"
    assert [(one.sop_instance_uid, one.status) for one in note.references] == [
        (IMAGE, "resolved"),
        (IMAGE_2, "resolved"),
    ]
    assert note.references[0].series_instance_uid == "1.2.1.1"
    (carrier,) = note.key_objects
    assert (carrier.study_instance_uid, carrier.registration) == (FIRST, "registered")
    with filled.read() as connection:
        assert notes_of_study(connection, FIRST) == [note]
        assert notes_of_instance(connection, IMAGE_2) == [note]
        assert notes_of_study(connection, SECOND) == []
        row = connection.execute(
            select(live_instance).where(live_instance.c.sop_instance_uid == carrier.sop_instance_uid)
        ).one()
        assert (row.concept_value, row.concept_scheme) == ("113000", "DCM")
        assert counts.differences(connection) == []
        kinds = [recorded.change.kind for recorded in changes.since(connection, changes.Position(), 10)]
    assert kinds == ["instance stored", "note made"]


def test_the_document_says_what_the_note_says(filled: Catalog) -> None:
    note = made(
        filled,
        request(
            IMAGE,
            flag(FRAMES, frames=(3, 7), presentation_state_uid=FIRST_STATE),
            flag(SEGMENTS, segments=(2,)),
            SECOND_IMAGE,
            title=BEST_IN_SET,
            modifiers=(BEST_IN_SET_OF[0],),
            description="右肺の結節\n— siehe Bild 3",
            language="ja",
        ),
    )
    for dataset in bytes_of(filled, note):
        reading = reader.read(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
        assert reading.registration == "registered"
        assert reading.findings == ()
        assert (reading.title, reading.modifiers) == (BEST_IN_SET, (BEST_IN_SET_OF[0],))
        assert (reading.description, reading.language) == ("右肺の結節\n— siehe Bild 3", "ja")
        assert [
            (one.sop_instance_uid, one.frames, one.segments, one.presentation_state_uid)
            for one in reading.references
        ] == [
            (IMAGE, (), (), ""),
            (FRAMES, (3, 7), (), FIRST_STATE),
            (SEGMENTS, (), (2,), ""),
            (SECOND_IMAGE, (), (), ""),
        ]


def test_each_study_has_its_document_and_names_the_others(filled: Catalog) -> None:
    note = made(filled, request(IMAGE, SECOND_IMAGE), study=SECOND)
    assert [carrier.study_instance_uid for carrier in note.key_objects] == [SECOND, FIRST]
    assert note.study_instance_uid == SECOND
    readings = [reader.read(each, EXPLICIT_VR_LITTLE_ENDIAN) for each in bytes_of(filled, note)]
    for reading, other in zip(readings, reversed(readings), strict=True):
        assert [copy.sop_instance_uid for copy in reading.identical_documents] == [other.sop_instance_uid]
        assert [copy.study_instance_uid for copy in reading.identical_documents] == [other.study_instance_uid]
    with filled.read() as connection:
        assert notes_of_study(connection, FIRST) == notes_of_study(connection, SECOND) == [note]
        assert counts.differences(connection) == []


def test_patient_and_study_are_copied_as_received(filled: Catalog) -> None:
    (dataset,) = bytes_of(filled, made(filled, request(IMAGE)))
    document = scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert {
        tag: document.text(tag)
        for tag in (0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00080020, 0x00080030, 0x00081030)
    } == {
        0x00100010: "Müller^Jürgen=山田^太郎",
        0x00100020: "P1",
        0x00100030: "19700101",
        0x00100040: "O",
        0x00080020: "20261123",
        0x00080030: "1200",
        0x00081030: "CT  Thorax",
    }
    assert document.text(0x00080005) == "ISO_IR 192"
    assert document.text(0x00080090) == "Grün^Ö"


def test_a_document_is_found_by_the_order_it_belongs_to(filled: Catalog) -> None:
    made(filled, request(IMAGE))
    with filled.read() as connection:
        row = connection.execute(select(key_object_request)).one()
    assert (row.study_instance_uid, row.accession_number) == (FIRST, f"A{FIRST}")


def test_each_document_has_a_series_of_its_own(filled: Catalog) -> None:
    made(filled, request(IMAGE))
    made(filled, request(IMAGE, SECOND_IMAGE))
    with filled.read() as connection:
        rows = connection.execute(select(series).where(series.c.modality == "KO")).all()
    assert len({row.series_instance_uid for row in rows}) == len(rows) == 3
    assert all(row.series_number > 9999 for row in rows)
    assert len({(row.study, row.series_number) for row in rows}) == 3
    assert {row.series_description for row in rows} == {"Of Interest: A nodule"}


def test_the_moment_is_written_with_its_offset(filled_sqlite: Catalog) -> None:
    moment = datetime(2026, 11, 24, 23, 59, 1, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    note = made(filled_sqlite, request(IMAGE), now=moment)
    (dataset,) = bytes_of(filled_sqlite, note)
    document = scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert [document.text(tag) for tag in (0x00080023, 0x00080033, 0x00080201)] == [
        "20261124",
        "235901",
        "-0330",
    ]
    assert note.created == "2026-11-24T23:59:01-03:30"


def test_the_offset_of_the_study_is_kept(filled_sqlite: Catalog) -> None:
    store(filled_sqlite, object_of("1.2.9.1.1", TimezoneOffsetFromUTC="+0900"))
    (dataset,) = bytes_of(filled_sqlite, made(filled_sqlite, request("1.2.9.1.1")))
    document = scan(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert [document.text(tag) for tag in (0x00080033, 0x00080201)] == ["143100.250000", "+0900"]


@pytest.mark.parametrize(
    ("author", "observers"),
    [
        (Author("person", "Doe^Jane", "jdoe"), [("Doe^Jane", "jdoe")]),
        (Author("device", "Finder 3"), [("Finder 3", "")]),
        (Author(), []),
    ],
)
def test_who_made_it_is_said(
    filled_sqlite: Catalog, author: Author, observers: list[tuple[str, str]]
) -> None:
    note = made(filled_sqlite, request(IMAGE, author=author))
    assert note.author == author
    (dataset,) = bytes_of(filled_sqlite, note)
    reading = reader.read(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    assert [(one.name, getattr(one, "login", "")) for one in reading.observers] == observers


def test_private_titles_and_aliases(filled_sqlite: Catalog) -> None:
    private = Code("PR2KO", "99TEST", "Referenced by Presentation State")
    note = made(filled_sqlite, request(IMAGE, title=private))
    assert note.title is not None
    assert (note.title.value, note.title.meaning, note.title_group) == (
        "PR2KO",
        "Referenced by Presentation State",
        "other",
    )
    teaching = made(filled_sqlite, request(IMAGE, title=Code("TCE001", "IHERADTF")))
    assert teaching.title == Code("128710", "DCM")
    assert teaching.title.meaning == "For Teaching File Export"


def test_many_notes_are_made_in_few_statements(filled: Catalog) -> None:
    statements: list[str] = []

    def counted_make(number: int) -> int:
        statements.clear()
        wanted = [request(IMAGE, SECOND_IMAGE, description=f"Nodule {n}") for n in range(number)]
        with each_statement(filled, statements.append):
            filled.write(lambda tx: make(tx, wanted, study_instance_uid=None, by=ROE, now=NOW))
        return len(statements)

    few, many = counted_make(2), counted_make(50)
    assert few == many < 40
    with filled.read() as connection:
        assert len(notes_of_study(connection, SECOND)) == 52
        assert counts.differences(connection) == []


def test_json_has_the_fields_of_the_contract(filled_sqlite: Catalog) -> None:
    note = made(filled_sqlite, request(flag(FRAMES, frames=(3, 7)), modifiers=()))
    body = as_json(note)
    assert list(body) == [
        "id",
        "version",
        "study_instance_uid",
        "title",
        "modifiers",
        "description",
        "language",
        "author",
        "created",
        "origin",
        "standing",
        "references",
        "key_objects",
        "awaited",
        "findings",
    ]
    assert body["title"] == {"scheme": "DCM", "value": "113000", "meaning": "Of Interest"}
    assert body["author"] == {"kind": "person", "name": "Doe^Jane", "login": "jdoe", "verified": False}
    assert body["references"] == [
        {
            "study_instance_uid": FIRST,
            "series_instance_uid": "1.2.1.2",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.3.1",
            "sop_instance_uid": FRAMES,
            "frames": [3, 7],
            "segments": [],
            "presentation_state_uid": None,
            "status": "resolved",
        }
    ]
    with filled_sqlite.read() as connection:
        assert dataset_of(connection, body["key_objects"][0]["sop_instance_uid"])
