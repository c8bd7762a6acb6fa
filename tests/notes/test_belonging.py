"""Law 1: what counts notes counts those that are listed."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import note_study
from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.model import InstanceReference, Reference
from kinote.lifecycle.acts import REVISED
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.notes import belonging
from kinote.notes.lists.queries import NoteSearch, notes_of_study, search
from kinote.notes.lists.studies import StudyFilter, studies
from tests.actors import ROE
from tests.catalog.archive import CT
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    OTHER,
    OTHER_IMAGE,
    SECOND,
    dataset,
    key_object,
    object_of,
    place,
    receive,
)

#: An image said to lie in another study than it does.
MISPLACED = Reference(InstanceReference(OTHER, f"{OTHER}.1", CT, IMAGE))


@pytest.mark.parametrize(
    ("flagged", "marked"),
    [
        (Reference(place(IMAGE)), {FIRST}),
        (Reference(place(OTHER_IMAGE)), {SECOND}),
        (MISPLACED, {FIRST, SECOND}),
    ],
    ids=["its own", "of another patient", "misplaced"],
)
def test_law_1_counts_of_notes_are_of_those_that_are_listed(
    filled: Catalog, flagged: Reference, marked: set[str]
) -> None:
    marked = marked | {SECOND}
    copies = ["1.3.1.70.9" if flagged is MISPLACED else f"{flagged.instance.study_instance_uid}.70.9"]
    receive(filled, key_object("1.2.2.70.1", flagged, copies=copies))
    with filled.read() as connection:
        listed, _ = studies(connection, StudyFilter(), after=None, limit=10)
        with_notes, _ = studies(connection, StudyFilter(with_notes=True), after=None, limit=10)
        shown = {uid for uid in (FIRST, SECOND, OTHER) if notes_of_study(connection, uid)}
        of_the_other = search(connection, NoteSearch(patient="P2")).items
    assert shown == marked
    assert {item["study_instance_uid"] for item in listed if item["note_count"]} == marked
    assert {item["study_instance_uid"] for item in with_notes} == marked
    assert of_the_other == []


def shown_in(catalog: Catalog) -> dict[str, int]:
    """How many notes each study shows, having found that as many are counted."""
    with catalog.read() as connection:
        listed, _ = studies(connection, StudyFilter(), after=None, limit=10)
        shown = {
            item["study_instance_uid"]: len(notes_of_study(connection, item["study_instance_uid"]))
            for item in listed
        }
        assert {item["study_instance_uid"]: item["note_count"] for item in listed} == shown
        assert belonging.differences(connection) == []
    return {uid: number for uid, number in shown.items() if number}


#: A study that came without Patient ID.
NAMELESS = "1.4.1"


@pytest.mark.parametrize(("patient", "is_same"), [("P1", True), ("P2", False)])
def test_law_1_a_patient_who_becomes_known_changes_where_a_note_is_shown(
    filled: Catalog, patient: str, is_same: bool
) -> None:
    image, later = f"{NAMELESS}.1.1", f"{NAMELESS}.1.2"
    receive(filled, dataset(object_of(image, PatientID="")))
    receive(filled, key_object("1.2.1.70.1", image), key_object(f"{NAMELESS}.70.1", IMAGE_2, patient=""))
    assert shown_in(filled) == {FIRST: 2, NAMELESS: 2}
    receive(filled, dataset(object_of(later, PatientID=patient)))
    # Each stays where its document lies.
    assert shown_in(filled) == ({FIRST: 2, NAMELESS: 2} if is_same else {FIRST: 1, NAMELESS: 1})


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("image_first", [True, False])
def test_law_1_what_comes_says_where_a_note_is_shown(
    filled: Catalog, together: bool, image_first: bool
) -> None:
    """An image said to lie in the first study: it comes to another patient's, and so does one that does not."""
    strayed = Reference(InstanceReference(FIRST, f"{FIRST}.1", CT, f"{OTHER}.1.8"))
    came = [key_object("1.2.2.70.1", strayed), dataset(object_of(f"{OTHER}.1.8"))]
    came = came[::-1] if image_first else came
    for group in [came] if together else [[one] for one in came]:
        receive(filled, *group)
    assert shown_in(filled) == {SECOND: 1}


def test_law_1_what_a_withdrawn_document_flags_is_shown_as_long_as_a_copy_is_live(filled: Catalog) -> None:
    uids = ["1.2.1.70.1", "1.2.2.70.1"]
    receive(filled, *(key_object(uid, IMAGE, copies=set(uids) - {uid}) for uid in uids))
    assert shown_in(filled) == {FIRST: 1, SECOND: 1}
    filled.write(lambda transaction: withdraw(transaction, uids[1:], act=REVISED, text="", by=ROE, now=NOW))
    assert shown_in(filled) == {FIRST: 1}


def test_breach_of_law_1_in_a_row_is_noticed(filled_sqlite: Catalog) -> None:
    receive(filled_sqlite, key_object("1.2.1.70.1", IMAGE))
    filled_sqlite.write(
        lambda transaction: transaction.execute(note_study.update().values(flags_there=False))
    )
    with filled_sqlite.read() as connection:
        (difference,) = belonging.differences(connection)
    assert difference.endswith(f"in study {FIRST}: flags_there is False")


def test_as_many_notes_as_there_are_can_wait_for_one_image(filled: Catalog) -> None:
    """More than a statement may have parameters: 65,535 on PostgreSQL, up to 250,000 on SQLite."""
    receive(filled, key_object("1.2.1.70.1", Reference(place("1.2.1.9.1"))))
    with filled.read() as connection:
        (version,) = connection.execute(select(note_study.c.version)).scalars()
    filled.write(lambda tx: tx.execute(note_study.update().values(flags_there=False)))
    many = range(version, version + (260_000 if filled.is_sqlite else 70_000))
    filled.write(lambda tx: belonging.refresh(tx, many))
    with filled.read() as connection:
        assert belonging.differences(connection) == []


def test_a_page_of_studies_asks_little_of_each_note(filled_sqlite: Catalog) -> None:
    """In steps of SQLite's machine: what a note refers to, and whose that is, is not read again.

    A note brings a document, whose series is looked at for images.
    """

    def steps_of(flagged: int, first: int) -> int:
        receive(
            filled_sqlite,
            *(key_object(f"1.2.1.{first + n}.1", *[IMAGE, IMAGE_2, IMAGE_3][:flagged]) for n in range(30)),
        )
        with filled_sqlite.read() as connection:
            driver = cast(Any, connection.connection.driver_connection)
            steps = 0

            def step() -> None:
                nonlocal steps
                steps += 1

            driver.set_progress_handler(step, 1)
            studies(connection, StudyFilter(), after=None, limit=10)
            driver.set_progress_handler(None, 0)
        return steps

    none = steps_of(1, 100)
    with_one_each, with_three_each = steps_of(1, 200) - none, steps_of(3, 300)
    with_three_each -= none + with_one_each
    assert with_three_each == pytest.approx(with_one_each, rel=0.1)
    assert with_one_each / 30 < 100
