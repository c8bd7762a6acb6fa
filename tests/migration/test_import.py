"""The import of notes: each becomes a note once, with a key object as soon as one can be made."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import func, select

from kinote.catalog.schema.tables import awaited_key_object, instance, note
from kinote.catalog.transactions.catalog import Catalog
from kinote.lifecycle.withdrawals.withdrawal import undo
from kinote.migration import importing
from kinote.migration.filing import file_notes
from kinote.migration.importing import ImportOptions
from kinote.migration.reading import FormatError
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.creator.create import document_of
from kinote.notes.creator.making import derived, keep, to_be_made
from kinote.notes.lists.queries import notes_of_study
from kinote.notes.lists.waiting import duplicates, waiting_notes
from tests.actors import ROE
from tests.migration.tables import (
    SOURCE,
    import_table,
    imported,
    kept_bytes,
    kinds,
    residences,
    row,
    without_place,
)
from tests.notes.sample_studies import (
    FIRST,
    FRAMES,
    IMAGE,
    IMAGE_2,
    NOW,
    OTHER,
    OTHER_IMAGE,
    SECOND_IMAGE,
    ULTRASOUND,
    dataset,
    key_object,
    made,
    object_of,
    read,
    receive,
    request,
)
from tests.notes.statements import each_statement
from tests.notes.test_law_11_made_again import hold_law_11

NEW_IMAGE = "1.4.1.1.1"
NEW_STUDY = "1.4.1"


def number_of_notes(catalog: Catalog) -> int:
    with catalog.read() as connection:
        return connection.execute(select(func.count()).select_from(note)).scalar_one()


def awaited(catalog: Catalog) -> int:
    with catalog.read() as connection:
        return connection.execute(select(func.count()).select_from(awaited_key_object)).scalar_one()


def bring(catalog: Catalog, uid: str, **attributes: Any) -> None:
    receive(catalog, dataset(object_of(uid, **attributes)))


def test_a_note_is_there_at_once_and_its_key_object_is_derivable(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", IMAGE), row("1", IMAGE_2)])
    assert (result.kind, result.line, result.key) == ("imported", 1, "1")
    found = read(filled, result.note)
    assert (found.origin, found.standing, found.created) == ("migrated", "live", "2026-11-23T14:07:00+02:00")
    assert found.author.name == "Doe^Jane"
    assert [each.sop_instance_uid for each in found.references] == [IMAGE, IMAGE_2]
    assert residences(filled) == ["derivable"]
    assert kept_bytes(filled) == 0
    with filled.read() as connection:
        assert notes_of_study(connection, FIRST) == [found]


def test_a_note_of_two_studies_has_a_key_object_in_each(filled_sqlite: Catalog) -> None:
    (result,) = imported(filled_sqlite, [row("1", IMAGE), row("1", SECOND_IMAGE)])
    assert result.kind == "imported"
    assert len(read(filled_sqlite, result.note).key_objects) == 2


def test_importing_again_changes_nothing(filled: Catalog) -> None:
    rows = [row("1", IMAGE), row("2", IMAGE_2, created=""), without_place("3", NEW_IMAGE)]
    assert kinds(imported(filled, rows)) == ["imported", "imported", "waiting"]
    before = number_of_notes(filled)
    assert kinds(imported(filled, rows)) == ["known", "known", "waiting"]
    assert number_of_notes(filled) == before
    assert awaited(filled) == 1


def test_the_same_key_with_another_content_is_refused(filled_sqlite: Catalog) -> None:
    imported(filled_sqlite, [row("1", IMAGE)])
    (result,) = imported(filled_sqlite, [row("1", IMAGE_2)])
    assert result.kind == "refused"
    assert "under this key with another content" in result.sentence
    # The keys of another source are others.
    assert kinds(imported(filled_sqlite, [row("1", IMAGE_2)], source="other")) == ["imported"]


def test_rows_of_a_note_may_stand_anywhere(filled_sqlite: Catalog) -> None:
    results = imported(filled_sqlite, [row("1", IMAGE), row("2", IMAGE_2), row("1", IMAGE_2)])
    assert kinds(results) == ["imported", "imported"]
    assert len(read(filled_sqlite, results[0].note).references) == 2


def test_a_probable_duplicate_is_linked_and_never_doubled(filled: Catalog) -> None:
    here = made(filled, request(IMAGE))
    results = imported(
        filled, [row("1", IMAGE), row("2", IMAGE_2), row("3", IMAGE_2), row("4", IMAGE, title="113003")]
    )
    assert kinds(results) == ["duplicate", "imported", "duplicate", "imported"]
    assert (results[0].note, results[2].note) == (here.id, results[1].note)
    with filled.read() as connection:
        assert [each["legacy_key"] for each in duplicates(connection, after=0, limit=10)] == ["1", "3"]
    assert kinds(imported(filled, [row("1", IMAGE)])) == ["known"]


def test_where_the_exported_key_object_is_here_none_is_derived(filled_sqlite: Catalog) -> None:
    receive(filled_sqlite, key_object("1.2.1.9.1", IMAGE))
    results = imported(
        filled_sqlite,
        [
            row("1", IMAGE, title="113003", key_object_uid="1.2.1.9.1"),
            row("2", IMAGE_2, key_object_uid="1.2.1.9.1"),
        ],
    )
    assert kinds(results) == ["duplicate", "refused"]
    assert "no key object that flags all images of the note" in results[1].sentence
    assert residences(filled_sqlite) == ["local"]


def test_the_uid_of_an_exported_key_object_is_adopted(filled_sqlite: Catalog) -> None:
    (result,) = imported(filled_sqlite, [row("1", IMAGE, key_object_uid="1.2.1.9.7")])
    assert [each.sop_instance_uid for each in read(filled_sqlite, result.note).key_objects] == ["1.2.1.9.7"]


def test_an_exported_key_object_that_arrives_takes_the_place_of_a_waiting_note(
    filled_sqlite: Catalog,
) -> None:
    imported(filled_sqlite, [without_place("1", "1.2.1.1.99", key_object_uid="1.2.1.9.1")])
    assert awaited(filled_sqlite) == 1
    receive(filled_sqlite, key_object("1.2.1.9.1", "1.2.1.1.99"))
    assert (awaited(filled_sqlite), residences(filled_sqlite)) == (0, ["local"])
    with filled_sqlite.read() as connection:
        (found,) = notes_of_study(connection, FIRST)
        assert [each["note"] for each in duplicates(connection, after=0, limit=10)] == [found.id]


def test_a_note_waits_for_its_study_and_is_no_job(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", NEW_IMAGE)])
    assert result.kind == "waiting"
    found = read(filled, result.note)
    assert (found.standing, found.key_objects, found.study_instance_uid) == ("live", (), NEW_STUDY)
    assert [each.reason for each in found.awaited] == ["Its study is not here."]
    with filled.read() as connection:
        assert notes_of_study(connection, NEW_STUDY) == [found]
        (listed,) = waiting_notes(connection, after=(0, ""), limit=10)
    assert (listed["source"], listed["legacy_key"], listed["note"]) == (SOURCE, "1", found.id)
    # Not the flagged one: the table says where that is.
    bring(filled, "1.4.1.1.2")
    assert (awaited(filled), residences(filled)) == (0, ["derivable"])
    with filled.read() as connection:
        assert [each.id for each in notes_of_study(connection, NEW_STUDY)] == [found.id]


def test_a_note_waits_for_the_image_of_which_nobody_says_the_series(filled: Catalog) -> None:
    (result,) = imported(filled, [without_place("1", IMAGE), without_place("1", "1.2.1.1.99")])
    assert read(filled, result.note).awaited[0].reason.startswith("1 of its images")
    bring(filled, "1.2.1.1.98")
    assert residences(filled) == []
    bring(filled, "1.2.1.1.99")
    assert residences(filled) == ["derivable"]
    found = read(filled, result.note)
    assert [each.series_instance_uid for each in found.references] == ["1.2.1.1", "1.2.1.1"]
    assert found.awaited == ()


def test_a_note_of_which_nobody_says_the_study_is_found_by_its_image(filled_sqlite: Catalog) -> None:
    nowhere = {"study_instance_uid": "", "series_instance_uid": "", "sop_class_uid": ""}
    results = imported(filled_sqlite, [row("1", IMAGE, **nowhere), row("2", NEW_IMAGE, **nowhere)])
    assert kinds(results) == ["imported", "waiting"]
    bring(filled_sqlite, NEW_IMAGE)
    assert residences(filled_sqlite) == ["derivable", "derivable"]
    assert read(filled_sqlite, results[1].note).study_instance_uid == NEW_STUDY


def test_law_11_key_objects_that_come_to_be_one_after_the_other_name_each_other(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", IMAGE), row("1", NEW_IMAGE)])
    assert residences(filled) == ["derivable"]
    bring(filled, NEW_IMAGE)
    first, second = read(filled, result.note).key_objects
    make_all(filled)
    with filled.read() as connection:
        for one, other in ((first, second), (second, first)):
            named = document_of(connection, one.sop_instance_uid).context.identical_documents
            assert [each.sop_instance_uid for each in named] == [other.sop_instance_uid]
    hold_law_11(filled)


def test_notes_of_another_patient_are_refused_or_wait_for_good(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", OTHER_IMAGE)])
    assert (result.kind, result.sentence) == (
        "refused",
        f"Image {OTHER_IMAGE} belongs to another patient than the note.",
    )
    (result,) = imported(filled, [row("2", NEW_IMAGE)])
    bring(filled, NEW_IMAGE, PatientID="P9")
    assert residences(filled) == []
    assert "another patient" in read(filled, result.note).awaited[0].reason
    with filled.read() as connection:
        assert notes_of_study(connection, NEW_STUDY) == []
        assert notes_of_study(connection, OTHER) == []


def test_a_waiting_note_can_be_withdrawn_and_that_be_undone(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", NEW_IMAGE)])
    assert result.note is not None
    number = result.note
    key = filled.write(lambda tx: withdraw_note(tx, number, text="wrong", by=ROE, now=NOW))
    assert read(filled, number).standing == "withdrawn"
    with filled.read() as connection:
        assert notes_of_study(connection, NEW_STUDY) == []
    bring(filled, NEW_IMAGE)
    assert residences(filled) == []
    filled.write(lambda tx: undo(tx, key, by=ROE, now=NOW))
    assert kinds(imported(filled, [row("1", NEW_IMAGE)])) == ["known"]
    assert residences(filled) == ["derivable"]


def test_frames_are_kept_and_frame_1_of_a_single_frame_is_left_out(filled_sqlite: Catalog) -> None:
    results = imported(
        filled_sqlite,
        [row("1", FRAMES, sop_class_uid=ULTRASOUND, frames="3 7"), row("2", IMAGE, frames="1")],
    )
    assert [read(filled_sqlite, each.note).references[0].frames for each in results] == [(3, 7), ()]


#: What a row says, and a part of the sentence that refuses its note.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"title": "Wichtig"}, "title: 'Wichtig' is no title that Kinote knows"),
    ({"title": "113037", "title_scheme": "DCM"}, "113037 is the title of a rejection note"),
    ({"title": "113013"}, "This title needs a modifier"),
    ({"created": "gestern"}, "created: 'gestern' is no moment"),
    ({"created": "2099-01-01"}, "is in the future"),
    ({"sop_instance_uid": "x"}, "sop_instance_uid: 'x' is no UID"),
    ({"sop_instance_uid": ""}, "the row says of no image"),
    ({"frames": "0"}, "frames: '0' is no number of a frame"),
    ({"frames": "3"}, "has one frame only"),
    ({"description": "\x00"}, "description: control characters"),
    ({"description": "\x01"}, "control characters"),
    ({"patient_id": "P\x001"}, "patient_id: control characters"),
    ({"study_instance_uid": "\ud800"}, "study_instance_uid: control characters"),
    ({"frames": [[1]]}, "frames: write a text"),
    ({"modifiers": [{"scheme": {}}]}, "modifiers: write a text"),
    ({"author": "A\\B"}, "author.name"),
    ({"language": "?"}, "language"),
]


def test_what_is_wrong_is_refused_with_its_line(filled_sqlite: Catalog) -> None:
    """In one table, so that no note keeps another from being imported."""
    rows = [row(str(number), IMAGE_2, **values) for number, (values, _) in enumerate(WRONG)]
    results = imported(filled_sqlite, [*rows, row("good", IMAGE)])
    assert kinds(results) == ["refused"] * len(WRONG) + ["imported"]
    for number, (found, (_, sentence)) in enumerate(zip(results, WRONG, strict=False)):
        assert (found.line, found.key) == (number + 1, str(number))
        assert sentence in found.sentence
    assert number_of_notes(filled_sqlite) == 1


def test_a_note_is_imported_whole_or_not_at_all(filled_sqlite: Catalog) -> None:
    (result,) = imported(filled_sqlite, [row("1", IMAGE), row("1", IMAGE_2, frames="x")])
    assert (result.kind, result.line) == ("refused", 2)
    (result,) = imported(filled_sqlite, [row("1", IMAGE), row("1", IMAGE_2, title="113003")])
    assert (result.kind, result.line) == ("refused", 2)
    assert number_of_notes(filled_sqlite) == 0


def test_a_dry_run_keeps_nothing(filled_sqlite: Catalog) -> None:
    results = imported(
        filled_sqlite, [row("1", IMAGE), row("2", NEW_IMAGE), row("3", IMAGE, title="?")], is_dry=True
    )
    assert kinds(results) == ["imported", "waiting", "refused"]
    assert [each.note for each in results] == [None, None, None]
    assert (number_of_notes(filled_sqlite), awaited(filled_sqlite), residences(filled_sqlite)) == (0, 0, [])


def test_a_mapping_translates_titles_patients_and_users(filled_sqlite: Catalog) -> None:
    mapping = {
        "titles": {"Wichtig": "Of Interest", "9": "99OLD|9|Lehrbild"},
        "patients": {"X1": "P1"},
        "users": {"jd": {"name": "Doe^Jane", "login": "jdoe"}},
    }
    results = imported(
        filled_sqlite,
        [
            row("1", IMAGE, title="Wichtig", patient_id="X1", author="jd"),
            row("2", IMAGE_2, title="9"),
        ],
        mapping=mapping,
    )
    first, second = (read(filled_sqlite, each.note) for each in results)
    assert first.title is not None and first.title.value == "113000"
    assert first.author.login == "jdoe"
    assert second.title is not None and second.title.texts == ("9", "99OLD", "Lehrbild")


def test_csv_is_read_with_quotes_and_line_numbers(filled_sqlite: Catalog) -> None:
    table = (
        "\ufeffnote,sop_instance_uid,title,description,Foo\r\n"
        f'1,{IMAGE},113000,"two\nlines, and ""quotes""",x\r\n'
        f"2,{IMAGE_2},113000\r\n"
        "\r\n"
        f",{IMAGE_2},113000,,\r\n"
        f"4,{IMAGE_2},113003,,\r\n"
    ).encode()
    results = import_table(filled_sqlite, table, "csv", ImportOptions(SOURCE, skips_unreadable=True))
    assert [(each.kind, each.line) for each in results] == [
        ("imported", 2),
        ("refused", 4),
        ("refused", 6),
        ("imported", 7),
    ]
    assert read(filled_sqlite, results[0].note).description == 'two\nlines, and "quotes"'


def test_what_arrives_costs_one_statement_more_where_nothing_waits_for_it(filled_sqlite: Catalog) -> None:
    imported(filled_sqlite, [row(str(number), f"1.4.1.1.{number}") for number in range(1, 30)])
    seen: list[str] = []
    with each_statement(filled_sqlite, seen.append):
        bring(filled_sqlite, "1.2.1.1.77")
    assert len([each for each in seen if "awaited_key_object" in each]) == 1


def make_all(catalog: Catalog) -> None:
    with catalog.read() as connection:
        waiting = to_be_made(connection, after=0, limit=100)
        made_now = [(key, derived(connection, uid)) for key, uid in waiting]
    for key, data in made_now:
        catalog.write(lambda tx, key=key, data=data: keep(tx, key, data))  # type: ignore[misc]


def test_law_11_bytes_are_those_that_the_row_promises(filled_sqlite: Catalog) -> None:
    imported(filled_sqlite, [row("1", IMAGE), row("2", IMAGE_2, created="")])
    with filled_sqlite.read() as connection:
        promised = connection.execute(
            select(instance.c.digest, instance.c.size).where(instance.c.residence == "derivable")
        ).all()
    make_all(filled_sqlite)
    with filled_sqlite.read() as connection:
        kept = connection.execute(
            select(instance.c.digest, instance.c.size).where(
                instance.c.sop_class_uid == "1.2.840.10008.5.1.4.1.1.88.59"
            )
        ).all()
    assert sorted(map(tuple, promised)) == sorted(map(tuple, kept))
    assert residences(filled_sqlite) == ["local", "local"]
    hold_law_11(filled_sqlite)


def test_law_7_a_quote_that_is_not_closed_swallows_no_note(filled_sqlite: Catalog) -> None:
    table = (
        "note,sop_instance_uid,title,description\n"
        f"1,{IMAGE},113000,fine\n"
        f'2,{IMAGE},113003,"open\n'
        f'3,{IMAGE_2},113003,"closed"\n'
        f"4,{IMAGE_2},113000,fine\n"
    ).encode()
    with pytest.raises(FormatError, match="the first in line 3"):
        import_table(filled_sqlite, table, "csv")
    assert number_of_notes(filled_sqlite) == 0
    results = import_table(filled_sqlite, table, "csv", ImportOptions(SOURCE, skips_unreadable=True))
    assert [(each.kind, each.line) for each in results] == [("imported", 2), ("refused", 3), ("imported", 5)]


def test_moments_without_offset_have_the_one_that_held_then(
    filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row("1", IMAGE, created="20260703140700"),
        row("2", IMAGE_2, created="2026-01-03T14:07:00"),
    ]
    try:
        monkeypatch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        results = imported(filled_sqlite, rows)
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        assert kinds(imported(filled_sqlite, rows)) == ["known", "known"]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [read(filled_sqlite, each.note).created for each in results] == [
        "2026-07-03T14:07:00+02:00",
        "2026-01-03T14:07:00+01:00",
    ]


def test_law_5_a_batch_ends_when_it_has_many_references(
    filled_sqlite: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def counted(transaction: Any, notes: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(len(notes))
        return file_notes(transaction, notes, *arguments, **options)

    monkeypatch.setattr(importing, "BATCH_REFERENCES", 2)
    monkeypatch.setattr(importing, "file_notes", counted)
    imported(
        filled_sqlite,
        [row("1", IMAGE), row("1", IMAGE_2), row("2", IMAGE, title="113003"), row("3", IMAGE_2)],
    )
    assert sizes == [1, 2]
