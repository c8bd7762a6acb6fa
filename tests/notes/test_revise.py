"""Revising and withdrawing notes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import rejection_note, withdrawal, withdrawal_target
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.keyobject import reader
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS, REPLACED_BY_ALTERNATE
from kinote.lifecycle import acts, counts
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes.acts.request import (
    NoteNotFoundError,
    NoteRefusedError,
    NoteRequest,
    NotRevisableError,
    VersionConflictError,
)
from kinote.notes.acts.revise import revise
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.author import Author
from kinote.notes.lists.note import Note
from kinote.notes.lists.queries import notes_of_study, versions
from tests.actors import ROE
from tests.notes.sample_studies import (
    FIRST,
    FRAMES,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    OTHER_IMAGE,
    SECOND,
    SECOND_IMAGE,
    bytes_of,
    dataset,
    flag,
    key_object,
    later,
    made,
    object_of,
    read,
    receive,
    request,
)


def revised(catalog: Catalog, note: Note, wanted: NoteRequest, *, expected: int | None = None) -> Note:
    assert note.id is not None
    number, version = note.id, expected if expected is not None else note.version
    catalog.write(lambda tx: revise(tx, number, wanted, expected_version=version, now=later(NOW), by=ROE))
    return read(catalog, number)


def withdrawn(catalog: Catalog, note: Note, **options: Any) -> Note:
    number = note.id
    assert number is not None
    catalog.write(lambda tx: withdraw_note(tx, number, text="blurred", by=ROE, now=later(NOW), **options))
    return read(catalog, number)


def rejections(catalog: Catalog, study: str) -> list[Note]:
    with catalog.read() as connection:
        listed = notes_of_study(connection, study, everything=True)
    return [note for note in listed if note.title_group == "rejection"]


def test_a_revision_replaces_the_documents(filled: Catalog) -> None:
    first = made(filled, request(IMAGE, SECOND_IMAGE))
    second = revised(filled, first, request(IMAGE_2, flag(FRAMES, frames=(7,)), description="Two nodules"))
    assert (second.id, second.version, second.description) == (first.id, 2, "Two nodules")
    assert second.created == "2026-11-24T05:32:00.250000+00:00"
    assert [carrier.study_instance_uid for carrier in second.key_objects] == [FIRST]
    assert not {one.sop_instance_uid for one in first.key_objects} & {
        one.sop_instance_uid for one in second.key_objects
    }
    with filled.read() as connection:
        assert notes_of_study(connection, FIRST) == [second]
        assert notes_of_study(connection, SECOND) == []
        history = versions(connection, first.id or 0)
        assert [(one.version, one.standing, one.description) for one in history] == [
            (2, "live", "Two nodules"),
            (1, "withdrawn", "A nodule"),
        ]
        assert counts.differences(connection) == []
        kinds = [each.change.kind for each in changes.since(connection, changes.Position(), 100)]
    assert Counter(kinds) == {
        "instance stored": 2 + 1 + 2,
        "note made": 1,
        "note revised": 1,
        "rejection note made": 2,
        "instance withdrawn": 2,
    }


def test_old_documents_are_rejected_in_each_study(filled: Catalog) -> None:
    first = made(filled, request(IMAGE, SECOND_IMAGE))
    second = revised(filled, first, request(IMAGE))
    for study in (FIRST, SECOND):
        (rejection,) = rejections(filled, study)
        assert rejection.title == REJECTED_FOR_QUALITY_REASONS
        assert rejection.author.name == "roe"
        old = [one for one in first.key_objects if one.study_instance_uid == study]
        assert [one.sop_instance_uid for one in rejection.references] == [one.sop_instance_uid for one in old]
        assert rejection.references[0].status == "withdrawn"
        reading = reader.read(bytes_of(filled, rejection)[0], EXPLICIT_VR_LITTLE_ENDIAN)
        assert (reading.findings, reading.study_instance_uid) == ((), study)
        assert second.key_objects[0].sop_instance_uid in reading.description
        with filled.read() as connection:
            row = connection.execute(
                select(withdrawal, rejection_note.c.sop_instance_uid)
                .join(rejection_note, rejection_note.c.withdrawal == withdrawal.c.id)
                .join(withdrawal_target, withdrawal_target.c.withdrawal == withdrawal.c.id)
                .where(
                    withdrawal_target.c.sop_instance_uid == old[0].sop_instance_uid,
                    rejection_note.c.study_instance_uid == study,
                )
            ).one()
        assert (row.act, row.reason_value, row.who) == (
            "revised",
            REPLACED_BY_ALTERNATE.value,
            "roe",
        )
        assert row.sop_instance_uid == rejection.key_objects[0].sop_instance_uid


def test_somebody_elses_change_is_not_overwritten(filled: Catalog) -> None:
    first = made(filled, request(IMAGE))
    revised(filled, first, request(IMAGE_2))
    with pytest.raises(VersionConflictError) as error:
        revised(filled, first, request(IMAGE_3), expected=1)
    assert error.value.current == 2
    with pytest.raises(VersionConflictError):
        withdrawn(filled, first, expected_version=1)
    assert withdrawn(filled, first, expected_version=2).standing == "withdrawn"


def test_what_cannot_be_revised(filled: Catalog) -> None:
    receive(filled, key_object("1.2.1.70.1", IMAGE))
    with filled.read() as connection:
        (received,) = notes_of_study(connection, FIRST)
    with pytest.raises(NotRevisableError, match="received from elsewhere"):
        revised(filled, received, request(IMAGE))
    gone = withdrawn(filled, made(filled, request(IMAGE)))
    with pytest.raises(NotRevisableError, match="withdrawn"):
        revised(filled, gone, request(IMAGE))
    with pytest.raises(NotRevisableError, match="already"):
        withdrawn(filled, gone)
    (rejection,) = rejections(filled, FIRST)
    with pytest.raises(NotRevisableError, match="rejection"):
        withdrawn(filled, rejection)
    with pytest.raises(NotRevisableError, match="rejection"):
        revised(filled, rejection, request(IMAGE))
    with pytest.raises(NoteNotFoundError):
        filled.write(lambda tx: withdraw_note(tx, 999, text="blurred", by=ROE, now=NOW))


def test_a_refused_revision_changes_nothing(filled: Catalog) -> None:
    first = made(filled, request(IMAGE))
    with pytest.raises(NoteRefusedError) as error:
        revised(filled, first, request("1.2.1.1.99"))
    assert [problem.field for problem in error.value.problems] == ["references[0].sop_instance_uid"]
    with filled.read() as connection:
        assert notes_of_study(connection, FIRST, everything=True) == [first]


def test_references_stay_whatever_became_of_their_images(filled: Catalog) -> None:
    first = made(filled, request(IMAGE, flag(FRAMES, frames=(3,))))
    filled.write(lambda tx: withdraw(tx, [IMAGE, FRAMES], act=acts.QUALITY, text="blurred", by=ROE, now=NOW))
    wanted = request(IMAGE, flag(FRAMES, frames=(3,)), IMAGE_2, description="Changed")
    second = revised(filled, first, wanted)
    assert [(one.sop_instance_uid, one.frames, one.status) for one in second.references] == [
        (IMAGE, (), "withdrawn"),
        (FRAMES, (3,), "withdrawn"),
        (IMAGE_2, (), "resolved"),
    ]
    with pytest.raises(NoteRefusedError) as error:
        revised(filled, second, request(IMAGE, flag(FRAMES, frames=(4,))))
    assert [problem.field for problem in error.value.problems] == ["references[1].sop_instance_uid"]


@pytest.mark.parametrize("wanted", [(IMAGE, OTHER_IMAGE), (OTHER_IMAGE, IMAGE)], ids=["behind", "before"])
def test_an_image_of_another_patient_joins_no_note(filled: Catalog, wanted: tuple[str, ...]) -> None:
    """What the note has already says whose it is, wherever in the list it stands."""
    first = made(filled, request(IMAGE))
    with pytest.raises(NoteRefusedError) as error:
        revised(filled, first, request(*wanted))
    position = wanted.index(OTHER_IMAGE)
    assert [problem.field for problem in error.value.problems] == [f"references[{position}]"]
    assert IMAGE in error.value.problems[0].message


def test_an_image_without_patient_id_brings_no_two_patients_together(filled: Catalog) -> None:
    nameless = "1.4.1.1.1"
    receive(filled, dataset(object_of(nameless, PatientID="")))
    made(filled, request(nameless, IMAGE))
    with pytest.raises(NoteRefusedError) as error:
        made(filled, request(nameless, IMAGE, OTHER_IMAGE))
    assert [problem.field for problem in error.value.problems] == ["references[2]"]


def test_a_revision_without_author_keeps_the_one_before(filled: Catalog) -> None:
    author = Author("person", "Roe^Richard", "roe")
    first = made(filled, request(IMAGE, author=author))
    second = revised(filled, first, request(IMAGE, description="Changed", author=None))
    assert (second.author, second.description) == (author, "Changed")
    other = Author("person", "Doe^Jane")
    assert revised(filled, second, request(IMAGE, author=other)).author == other


def test_a_received_note_can_be_withdrawn(filled: Catalog) -> None:
    receive(filled, key_object("1.2.1.70.1", IMAGE))
    with filled.read() as connection:
        (received,) = notes_of_study(connection, FIRST)
    gone = withdrawn(filled, received)
    assert gone.standing == "withdrawn"
    (rejection,) = rejections(filled, FIRST)
    assert rejection.description == "The note has been withdrawn. Rejected for Quality Reasons: blurred"
    with filled.read() as connection:
        assert notes_of_study(connection, FIRST) == []
        assert not connection.execute(
            select(live_instance.c.id).where(live_instance.c.sop_instance_uid == "1.2.1.70.1")
        ).all()
        assert counts.differences(connection) == []
