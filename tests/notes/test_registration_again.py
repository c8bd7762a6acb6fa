"""Key objects that have been registered are read again: by a reader that reads them as the one before, or otherwise.

What a reader of the past made of a document is told by another document: it is filed with the reading of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kinote.catalog import changes
from kinote.catalog.changes import Kind, Position
from kinote.catalog.schema import tables
from kinote.catalog.transactions.catalog import Catalog
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.holdings.door import Door
from kinote.intake.filing import file_arrivals
from kinote.keyobject import reader
from kinote.keyobject.findings import found
from kinote.keyobject.reader import read
from kinote.keyobject.reading import Reading, with_findings
from kinote.lifecycle import counts
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw
from kinote.notes import belonging
from kinote.notes.lists.note import Note, as_json
from kinote.notes.lists.queries import NoteSearch, notes_of_study, search, versions
from kinote.notes.registrar.again import RegisteredAgain
from kinote.notes.registrar.reading_again import NeverHadError, NotToBeReadError, read_again, to_be_read_again
from kinote.storage.local import local_stores
from tests.actors import ROE
from tests.clock import clock
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    IMAGE_2,
    KEY_OBJECT,
    NOW,
    SECOND,
    SECOND_IMAGE,
    arrival,
    bytes_of,
    dataset,
    key_object,
    made,
    object_of,
    request,
)

KOS, COPY = "1.2.1.70.1", "1.2.2.70.1"


@pytest.fixture
def door(filled: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    yield Door(filled, local_stores(tmp_path_factory.mktemp("data")), clock=clock)
    with filled.read() as connection:
        assert counts.differences(connection) == []
        assert belonging.differences(connection) == []


def reading_of(data: bytes) -> Reading:
    return read(data, EXPLICIT_VR_LITTLE_ENDIAN)


UNREADABLE = reading_of(b"")


def file(catalog: Catalog, *documents: tuple[bytes, Reading]) -> None:
    """Documents come and are read so."""
    arrivals = [arrival(data, NOW) for data, _ in documents]
    for each, (_, reading) in zip(arrivals, documents, strict=True):
        each.reading = reading
    catalog.write(lambda transaction: file_arrivals(transaction, arrivals, NOW))


def again(catalog: Catalog, door: Door, uid: str = KOS) -> RegisteredAgain:
    return read_again(catalog, door, uid, by=ROE, now=datetime.now(UTC))


def notes(catalog: Catalog, study: str = FIRST) -> list[Note]:
    with catalog.read() as connection:
        return notes_of_study(connection, study)


def position(catalog: Catalog) -> Position:
    with catalog.read() as connection:
        seen = changes.since(connection, changes.BEGINNING, 10_000)
    return seen[-1].position


def told(catalog: Catalog, after: Position) -> list[tuple[str, str, int | None]]:
    with catalog.read() as connection:
        seen = changes.since(connection, after, 10_000)
    return sorted((each.change.kind, each.change.sop_instance_uid, each.change.note) for each in seen)


def copies(*flagged: str, **options: Any) -> dict[str, bytes]:
    """Identical documents in the two studies of the patient."""
    uids = {KOS, COPY}
    return {uid: key_object(uid, *flagged, copies=uids - {uid}, **options) for uid in sorted(uids)}


def test_what_is_read_the_same_again_changes_nothing(filled: Catalog, door: Door) -> None:
    data = key_object(KOS, IMAGE)
    file(filled, (data, reading_of(data)))
    before, since = notes(filled), position(filled)
    became = again(filled, door)
    assert (became.was, became.registration, became.changed) == ("registered", "registered", False)
    assert notes(filled) == before
    assert told(filled, since) == []


def test_what_an_older_reader_read_is_read_again_until_this_one_has(
    filled: Catalog, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(filled, request(IMAGE))
    file(
        filled,
        *((data, reading_of(data)) for data in (key_object(KOS, IMAGE), key_object(COPY, SECOND_IMAGE))),
    )
    with filled.read() as connection:
        assert to_be_read_again(connection) == []
    # Of an index of before the version of readers was noted.
    filled.write(lambda transaction: transaction.execute(tables.key_object.update().values(reader_version=0)))
    for version in (1, 3):
        monkeypatch.setattr(reader, "VERSION", version)
        left = {KOS, COPY}
        while left:
            with filled.read() as connection:
                those = to_be_read_again(connection)
                assert to_be_read_again(connection, limit=1) == those[:1]
                assert to_be_read_again(connection, after=those[0][0]) == those[1:]
            assert {uid for _, uid in those} == left
            assert not again(filled, door, min(left)).changed
            left.remove(min(left))
        with filled.read() as connection:
            assert to_be_read_again(connection) == []


def test_what_was_unreadable_becomes_a_note(filled: Catalog, door: Door) -> None:
    file(filled, (key_object(KOS, IMAGE), UNREADABLE))
    (placeholder,) = notes(filled)
    assert placeholder.title is None
    with filled.read() as connection:
        assert [uid for _, uid in to_be_read_again(connection)] == [KOS]
    since = position(filled)
    became = again(filled, door)
    (note,) = notes(filled)
    assert (became.was, became.registration, became.note) == ("unreadable", "registered", note.id)
    assert [one.status for one in note.references] == ["resolved"]
    assert note.findings == ()
    assert told(filled, since) == [
        (Kind.KEY_OBJECT_READ_AGAIN, KOS, note.id),
        (Kind.NOTE_REGISTERED, KOS, note.id),
    ]
    with filled.read() as connection:
        assert to_be_read_again(connection) == []


def test_copies_that_are_read_at_last_are_one_note(filled: Catalog, door: Door) -> None:
    file(filled, *((data, UNREADABLE) for data in copies(IMAGE, SECOND_IMAGE).values()))
    first, second = again(filled, door), again(filled, door, COPY)
    assert first.note == second.note is not None
    assert notes(filled) == notes(filled, SECOND)


def test_what_says_something_else_is_the_next_version_of_its_note(filled: Catalog, door: Door) -> None:
    data = key_object(KOS, IMAGE, SECOND_IMAGE, copies=[COPY], description="read rightly")
    file(filled, (data, reading_of(key_object(KOS, IMAGE_2, description="misread"))))
    (before,), since = notes(filled), position(filled)
    became = again(filled, door)
    (note,) = notes(filled)
    assert (became.note, note.id, note.version, note.description) == (before.id, before.id, 2, "read rightly")
    assert [one.sop_instance_uid for one in note.references] == [IMAGE, SECOND_IMAGE]
    assert notes(filled, SECOND) == [note]
    with filled.read() as connection:
        assert [one.version for one in versions(connection, note.id or 0)] == [2, 1]
        for text, hits in (("misread", 0), ("rightly", 1)):
            assert len(search(connection, NoteSearch(text=text)).items) == hits
    assert told(filled, since) == [
        (Kind.KEY_OBJECT_READ_AGAIN, KOS, note.id),
        (Kind.NOTE_REGISTERED, KOS, note.id),
    ]
    assert not again(filled, door).changed


def test_a_title_that_means_something_else_is_a_next_version(filled: Catalog, door: Door) -> None:
    data = key_object(KOS, IMAGE)
    reading = reading_of(data)
    assert reading.title is not None
    file(filled, (data, replace(reading, title=replace(reading.title, meaning="?"))))
    again(filled, door)
    (note,) = notes(filled)
    assert (note.version, note.title and note.title.meaning) == (2, "Of Interest")


def test_findings_are_replaced_and_the_note_stays(filled: Catalog, door: Door) -> None:
    data = key_object(KOS, IMAGE)
    more = (found("TEMPLATE", "ContentTemplateSequence"),)
    file(filled, (data, with_findings(reading_of(data), more)))
    (before,), since = notes(filled), position(filled)
    assert before.findings == more
    became = again(filled, door)
    assert (became.was, became.registration) == ("registered with findings", "registered")
    (note,) = notes(filled)
    assert note == replace(before, findings=(), key_objects=note.key_objects)
    assert note.key_objects[0].registration == "registered"
    assert told(filled, since) == [(Kind.KEY_OBJECT_READ_AGAIN, KOS, note.id)]


def test_what_came_around_the_data_set_is_remembered(filled: Catalog, door: Door) -> None:
    """V59, V61, V83: the bytes do not tell it."""
    data = key_object(KOS, IMAGE)
    findings = (found("TRANSFER_SYNTAX", "", "x"), found("FILE_META_MISSING"), found("MODALITY", "", "x"))
    file(filled, (data, with_findings(reading_of(data), findings)))
    assert again(filled, door).findings == findings[:2]
    assert not again(filled, door).changed


def test_what_was_found_beside_other_objects_stays_and_bears_on_nothing(filled: Catalog, door: Door) -> None:
    data = key_object(KOS, IMAGE, patient="P9")
    file(filled, (data, reading_of(data)))
    became = again(filled, door)
    assert [each.code for each in became.findings if each.code == "STUDY_DIFFERS"] == ["STUDY_DIFFERS"]
    assert (became.registration, became.changed) == (reading_of(data).registration, False)


def test_all_documents_of_a_note_are_read_again_together(filled: Catalog, door: Door) -> None:
    right, wrong = copies(IMAGE, SECOND_IMAGE), copies(IMAGE, SECOND_IMAGE, description="misread")
    file(filled, *((right[uid], reading_of(wrong[uid])) for uid in right))
    (before,) = notes(filled)
    again(filled, door, COPY)
    (note,) = notes(filled)
    assert (note.id, note.version, note.description) == (before.id, 2, "From elsewhere")
    assert [one.sop_instance_uid for one in note.key_objects] == [KOS, COPY]
    assert notes(filled, SECOND) == [note]


def test_who_says_something_else_than_the_first_leaves_the_note(filled: Catalog, door: Door) -> None:
    right, wrong = (
        copies(IMAGE, SECOND_IMAGE),
        key_object(COPY, SECOND_IMAGE, copies=[KOS], description="other"),
    )
    file(filled, (right[KOS], reading_of(right[KOS])), (wrong, reading_of(right[COPY])))
    (before,) = notes(filled)
    since = position(filled)
    became = again(filled, door, COPY)
    (first,) = notes(filled)
    assert (first.id, first.version) == (before.id, 1)
    assert [one.sop_instance_uid for one in first.key_objects] == [KOS]
    assert {one.description for one in notes(filled, SECOND)} == {"From elsewhere", "other"}
    assert became.note not in (None, before.id)
    assert told(filled, since) == [
        (Kind.KEY_OBJECT_READ_AGAIN, COPY, became.note),
        (Kind.NOTE_REGISTERED, COPY, became.note),
    ]


def test_what_is_unreadable_now_flags_nothing(filled: Catalog, door: Door) -> None:
    nothing = dataset(object_of(KOS, KEY_OBJECT, Modality="KO"))
    file(filled, (nothing, reading_of(key_object(KOS, IMAGE))))
    (before,), since = notes(filled), position(filled)
    became = again(filled, door)
    assert (became.registration, became.note) == ("unreadable", None)
    (placeholder,) = notes(filled)
    assert (placeholder.id, placeholder.title) == (None, None)
    assert told(filled, since) == [
        (Kind.KEY_OBJECT_READ_AGAIN, KOS, None),
        (Kind.NOTE_WITHDRAWN, "", before.id),
    ]


def test_a_withdrawn_document_goes_with_its_note(filled: Catalog, door: Door) -> None:
    right, wrong = copies(IMAGE, SECOND_IMAGE), copies(IMAGE, SECOND_IMAGE, description="misread")
    file(filled, *((right[uid], reading_of(wrong[uid])) for uid in right))
    key = filled.write(
        lambda transaction: withdraw(transaction, [KOS], act=QUALITY, text="", by=ROE, now=NOW)
    )
    with pytest.raises(NotToBeReadError, match="is withdrawn"):
        again(filled, door)
    (before,) = notes(filled)
    again(filled, door, COPY)
    filled.write(lambda transaction: undo(transaction, key, by=ROE, now=NOW))
    (note,) = notes(filled)
    assert (note.id, note.version, note.description) == (before.id, 2, "From elsewhere")
    assert [one.sop_instance_uid for one in note.key_objects] == [KOS, COPY]


def test_what_is_made_here_stays_as_it_was_made(filled: Catalog, door: Door) -> None:
    note = made(filled, request(IMAGE))
    document, since = bytes_of(filled, note), position(filled)
    became = again(filled, door, note.key_objects[0].sop_instance_uid)
    assert (became.registration, became.note, became.changed) == ("registered", note.id, False)
    assert (notes(filled), bytes_of(filled, note), told(filled, since)) == ([note], document, [])


def test_what_is_no_key_object_or_not_here_is_not_read(filled: Catalog, door: Door) -> None:
    with pytest.raises(NotToBeReadError, match="no key object"):
        again(filled, door, IMAGE)
    with pytest.raises(NeverHadError):
        again(filled, door, "1.9.9.9")


def test_the_bytes_stay_as_they_are(filled: Catalog, door: Door) -> None:
    data = key_object(KOS, IMAGE)
    file(filled, (data, UNREADABLE))
    again(filled, door)
    (note,) = notes(filled)
    assert bytes_of(filled, note) == [data]
    assert as_json(note)["key_objects"][0]["registration"] == "registered"
