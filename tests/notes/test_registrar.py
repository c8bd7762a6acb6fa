"""Received key objects become notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog import changes
from kinote.catalog.schema.tables import finding, note_version
from kinote.catalog.schema.tables import key_object as key_objects
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.keyobject.codes import Code
from kinote.keyobject.model import Reference
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS
from kinote.lifecycle import counts
from kinote.notes.lists.note import Note, as_json
from kinote.notes.lists.queries import notes_of_instance, notes_of_study
from tests.notes.sample_studies import (
    FIRST,
    FRAMES,
    IMAGE,
    IMAGE_2,
    KEY_OBJECT,
    OTHER,
    OTHER_IMAGE,
    SECOND,
    SECOND_IMAGE,
    bytes_of,
    dataset,
    flag,
    key_object,
    made,
    object_of,
    place,
    receive,
    request,
)
from tests.notes.statements import each_statement

KOS = "1.2.1.70.1"


def notes(catalog: Catalog, study: str = FIRST, *, everything: bool = False) -> list[Note]:
    with catalog.read() as connection:
        assert counts.differences(connection) == []
        return notes_of_study(connection, study, everything=everything)


def test_a_received_document_is_a_note(filled: Catalog) -> None:
    multi_frame = Reference(place(FRAMES, "1.2.840.10008.5.1.4.1.1.3.1"), frames=(3, 7))
    (outcome,) = receive(filled, key_object(KOS, IMAGE, multi_frame, language="en-GB"))
    assert (outcome.kind, outcome.registration) == ("stored", "registered")
    (note,) = notes(filled)
    assert (note.origin, note.standing, note.version) == ("received", "live", 1)
    assert (note.description, note.language, note.author.name) == ("From elsewhere", "en-GB", "Far^Away")
    assert note.created == "2026-11-01T10:11:12+01:00"
    assert [(one.sop_instance_uid, one.frames, one.status) for one in note.references] == [
        (IMAGE, (), "resolved"),
        (FRAMES, (3, 7), "resolved"),
    ]
    assert [one.sop_instance_uid for one in note.key_objects] == [KOS]


def test_a_document_of_another_study_shows_where_its_images_are(filled: Catalog) -> None:
    receive(filled, key_object("1.2.8.70.1", IMAGE))
    assert notes(filled) == notes(filled, "1.2.8") != []


@pytest.mark.parametrize("together", [True, False])
def test_identical_documents_are_one_note(filled: Catalog, together: bool) -> None:
    a, b, c = KOS, "1.2.2.70.1", "1.2.8.70.1"
    documents = [key_object(uid, IMAGE, SECOND_IMAGE, copies={a, b, c} - {uid}) for uid in (a, b, c)]
    for group in [documents] if together else [[one] for one in documents]:
        receive(filled, *group)
    (note,) = notes(filled)
    assert [one.sop_instance_uid for one in note.key_objects] == [a, b, c]
    assert notes(filled, SECOND) == notes(filled, "1.2.8") == [note]


def test_copies_that_name_nobody_are_one_note_too(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE), key_object("1.2.8.70.1", IMAGE))
    assert len(notes(filled)) == 1


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_another_patients_document_is_another_note(filled: Catalog, named: bool, together: bool) -> None:
    """Identical Documents lie in different studies of one patient (PS3.3 C.17.6.2.1)."""
    uids = [KOS, "1.3.1.70.1"]
    documents = [
        key_object(uid, IMAGE, patient=patient, copies=[other] if named else [])
        for uid, other, patient in zip(uids, reversed(uids), ["P1", "P2"], strict=True)
    ]
    for group in [documents] if together else [[one] for one in documents]:
        receive(filled, *group)
    (first,), (second,) = notes(filled), notes(filled, OTHER)
    assert first.id != second.id
    assert [[one.sop_instance_uid for one in note.key_objects] for note in (first, second)] == [
        [uids[0]],
        [uids[1]],
    ]
    assert [one.status for one in first.references] == ["resolved"]
    assert second.references == ()


@pytest.mark.parametrize(
    ("patient", "issuer", "is_same"), [("", "", True), ("P2", "H2", True), ("P2", "", False)]
)
def test_who_is_not_known_to_be_another_may_have_a_copy(
    filled: Catalog, patient: str, issuer: str, is_same: bool
) -> None:
    elsewhere = "1.4.1.70.1"
    receive(filled, dataset(object_of("1.4.1.1.1", PatientID=patient, IssuerOfPatientID=issuer)))
    receive(filled, key_object(KOS, IMAGE), key_object(elsewhere, IMAGE, patient=patient))
    assert (notes(filled) == notes(filled, "1.4.1")) == is_same


def test_the_same_said_twice_in_a_study_is_two_notes(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE), key_object("1.2.1.70.2", IMAGE))
    assert len(notes(filled)) == 2


@pytest.mark.parametrize(
    "option", [{"description": "Other"}, {"title": Code("113004", "DCM", "For Teaching")}]
)
def test_what_says_something_else_is_another_note(filled: Catalog, option: dict[str, Any]) -> None:
    receive(
        filled,
        key_object(KOS, IMAGE, copies=["1.2.8.70.1"]),
        key_object("1.2.8.70.1", IMAGE, copies=[KOS], **option),
    )
    assert len(notes(filled)) == 2


def test_an_authored_note_is_the_same_note_in_another_product(
    filled_sqlite: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note = made(
        filled_sqlite,
        request(flag(FRAMES, frames=(3, 7)), SECOND_IMAGE, description="右肺 \n§", language="ja"),
    )
    other = Catalog(CatalogOptions(f"sqlite:///{tmp_path_factory.mktemp('other') / 'kinote.db'}"))
    receive(other, *bytes_of(filled_sqlite, note))
    (there,) = notes(other)
    assert there.origin == "received"
    assert [one.sop_instance_uid for one in there.key_objects] == [
        one.sop_instance_uid for one in note.key_objects
    ]
    assert _fingerprints(other) == _fingerprints(filled_sqlite)
    body, body_there = as_json(note), as_json(there)
    for name in ("title", "modifiers", "description", "language", "created", "author", "findings"):
        assert body[name] == body_there[name]
    other.close()


def test_our_own_document_coming_back_is_known(filled: Catalog) -> None:
    note = made(filled, request(IMAGE, SECOND_IMAGE))
    outcomes = receive(filled, *bytes_of(filled, note))
    assert [outcome.kind for outcome in outcomes] == ["known", "known"]
    assert notes(filled) == [note]


def _fingerprints(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return list(connection.execute(select(note_version.c.fingerprint)).scalars())


def test_images_may_come_later(filled: Catalog) -> None:
    late = "1.2.7.1.1"
    receive(filled, key_object(KOS, late))
    (note,) = notes(filled)
    assert [one.status for one in note.references] == ["pending"]
    receive(filled, dataset(object_of(late)))
    (note,) = notes(filled, "1.2.7")
    assert [one.status for one in note.references] == ["resolved"]


def test_the_index_decides_in_which_study_an_image_is(filled: Catalog) -> None:
    """Documents that are wrong about the study, before and after the image has come."""
    late = "1.2.7.1.1"
    receive(filled, key_object(KOS, wrong(SECOND_IMAGE), wrong(late)))
    assert len(notes(filled, SECOND)) == 1
    assert notes(filled, "1.2.7") == []
    receive(filled, dataset(object_of(late)))
    (note,) = notes(filled, "1.2.7")
    assert [one.study_instance_uid for one in note.references] == [SECOND, "1.2.7"]
    assert [one.series_instance_uid for one in note.references] == ["1.2.2.1", "1.2.7.1"]


def wrong(uid: str) -> Reference:
    """A reference to an image, said to be in another study."""
    return Reference(replace(place(uid), study_instance_uid="1.2.1"))


def test_another_patients_image_is_not_flagged(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE, OTHER_IMAGE, copies=["1.3.1.70.1"]))
    (note,) = notes(filled)
    assert [one.sop_instance_uid for one in note.references] == [IMAGE]
    assert [one.code for one in note.findings] == ["CROSS_PATIENT"]
    assert notes(filled, OTHER) == []
    with filled.read() as connection:
        assert notes_of_instance(connection, OTHER_IMAGE) == []
        assert notes_of_instance(connection, IMAGE) == [note]
    (shown,) = notes(filled, everything=True)
    assert [(one.sop_instance_uid, one.status) for one in shown.references] == [
        (IMAGE, "resolved"),
        (OTHER_IMAGE, "foreign"),
    ]


def test_frames_that_are_not_there_are_left_out(filled: Catalog) -> None:
    receive(
        filled,
        key_object(KOS, Reference(place(FRAMES, "1.2.840.10008.5.1.4.1.1.3.1"), frames=(3, 11))),
    )
    (note,) = notes(filled)
    assert [one.frames for one in note.references] == [(3,)]
    assert [one.code for one in note.findings] == ["FRAME_NOT_THERE"]


@pytest.mark.parametrize(
    "title",
    [REJECTED_FOR_QUALITY_REASONS, Code("113030", "DCM", "Manifest"), Code("MADOTEMP001", "99IHE", "M")],
)
def test_acts_and_manifests_are_no_marks(filled: Catalog, title: Code) -> None:
    # The writer writes no manifests with an image library: this one is made of one that it writes.
    written = Code("MADOTEMP00X", "99IHE", "M") if title.scheme == "99IHE" else title
    data = key_object(KOS, IMAGE_2, title=written)
    receive(filled, data.replace(b"MADOTEMP00X", b"MADOTEMP001"))
    assert notes(filled) == []
    (note,) = notes(filled, everything=True)
    assert note.title == title
    with filled.read() as connection:
        assert notes_of_instance(connection, IMAGE_2) == []


def test_an_unreadable_document_shows_a_placeholder(filled: Catalog) -> None:
    empty = object_of(KOS, KEY_OBJECT, Modality="KO")
    (outcome,) = receive(filled, dataset(empty))
    assert outcome.registration == "unreadable"
    for everything in (False, True):
        (note,) = notes(filled, everything=everything)
        body = as_json(note)
        assert body["id"].startswith("kos-")
        assert (body["title"], body["references"]) == (None, [])
        assert body["key_objects"][0]["registration"] == "unreadable"
        assert "NO_REFERENCES" in [one["code"] for one in body["findings"]]


def test_findings_are_kept_and_shown(filled: Catalog) -> None:
    document = key_object(KOS, IMAGE)
    receive(filled, document.replace(b"\x08\x00\x60\x00CS\x02\x00KO", b"\x08\x00\x60\x00CS\x02\x00SR"))
    (note,) = notes(filled)
    assert [one.code for one in note.findings] == ["MODALITY"]
    assert note.key_objects[0].registration == "registered with findings"
    with filled.read() as connection:
        assert connection.execute(select(finding.c.code)).scalars().all() == ["MODALITY"]


def test_many_documents_are_registered_in_few_statements(filled: Catalog) -> None:
    statements: list[str] = []

    def registered(number: int) -> int:
        documents = [
            key_object(f"1.2.1.{700 + number}.{index}", IMAGE, IMAGE_2) for index in range(1, number + 1)
        ]
        statements.clear()
        with each_statement(filled, statements.append):
            receive(filled, *documents)
        return len(statements)

    few, many = registered(2), registered(40)
    assert few == many < 40
    with filled.read() as connection:
        assert len(connection.execute(select(key_objects.c.instance)).all()) == 42


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        (Code("113000", "DCM", "Of Interest"), "note registered"),
        (REJECTED_FOR_QUALITY_REASONS, "rejection note registered"),
        (Code("113030", "DCM", "Manifest"), "manifest registered"),
    ],
)
def test_the_feed_tells_notes_from_records(filled: Catalog, title: Code, kind: str) -> None:
    receive(filled, key_object(KOS, IMAGE_2, title=title))
    with filled.read() as connection:
        fed = [each.change for each in changes.since(connection, changes.BEGINNING, 100)]
    assert [(each.kind, each.study_instance_uid, each.sop_instance_uid) for each in fed] == [
        (kind, FIRST, KOS),
        ("instance stored", FIRST, KOS),
    ]


def test_law_7_texts_with_nuls_are_registered_without_them(filled: Catalog) -> None:
    """PostgreSQL takes no NUL in a text: the document would be refused, and with it what it flags."""
    data = key_object(KOS, IMAGE_2)
    for text, with_nul in (
        (b"From elsewhere", b"From\0elsewhere"),
        (b"Far^Away", b"F\0r^Away"),
        (b"Of Interest", b"Of\0Interest"),
    ):
        assert text in data
        data = data.replace(text, with_nul)
    receive(filled, data)
    (note,) = notes(filled)
    assert (note.description, note.title and note.title.value) == ("Fromelsewhere", "113000")
    assert "NUL_IN_TEXT" in [one.code for one in note.findings]
