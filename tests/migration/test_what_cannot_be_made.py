"""Notes of which no document can be made, whose UIDs are taken, or that are about another patient."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import awaited_key_object, migrated_note
from kinote.catalog.transactions.catalog import Catalog
from kinote.intake.filing import file_arrivals
from kinote.jobs.leased import Done
from kinote.notes.acts.undo import undo_withdrawal
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.creator import derivable, making_awaited
from kinote.notes.creator.making_awaited import MAKE_WAITING
from kinote.notes.registrar.waiting_jobs import MakeWaiting
from tests.actors import ROE
from tests.clock import clock
from tests.jobs.shop import Shop
from tests.migration.tables import imported, kinds, residences, row, without_place
from tests.migration.test_import import make_all
from tests.notes.sample_studies import (
    FIRST_STATE,
    FRAMES,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    OTHER,
    ULTRASOUND,
    arrival,
    dataset,
    key_object,
    made,
    object_of,
    read,
    receive,
    request,
)
from tests.notes.test_law_11_made_again import hold_law_11

NEW = "1.4.1.1.1"

NOWHERE = {"study_instance_uid": "", "series_instance_uid": "", "sop_class_uid": ""}


def bring(catalog: Catalog, uid: str, **attributes: Any) -> None:
    (outcome,) = receive(catalog, dataset(object_of(uid, **attributes)))
    assert outcome.kind == "stored"


def awaited(catalog: Catalog) -> list[Any]:
    with catalog.read() as connection:
        return list(connection.execute(select(awaited_key_object).order_by(awaited_key_object.c.version)))


def linked(catalog: Catalog) -> dict[str, tuple[str, int]]:
    with catalog.read() as connection:
        return {
            each.legacy_key: (each.migrated_as, each.note)
            for each in connection.execute(select(migrated_note))
        }


#: Rows about images that are here, of which no document can be made.
INEXPRESSIBLE: dict[str, list[dict[str, Any]]] = {
    "frames of an image without frames": [row("bad", IMAGE, frames="3", **NOWHERE)],
    "one image in two series": [
        row("bad", "1.2.1.1.77"),
        row("bad", "1.2.1.1.77", series_instance_uid="1.2.1.8"),
    ],
    "a presentation state on what is no image": [
        row("bad", FIRST_STATE, presentation_state_uid=FIRST_STATE, **NOWHERE)
    ],
    "more frames than a reference holds": [
        row("bad", FRAMES, sop_class_uid=ULTRASOUND, frames=" ".join(map(str, range(1, 15_000))))
    ],
    "the key object flags itself": [row("bad", "1.2.1.1.77", key_object_uid="1.2.1.1.77")],
}


@pytest.mark.parametrize("rows", INEXPRESSIBLE.values(), ids=INEXPRESSIBLE.keys())
def test_law_5_a_note_that_no_document_can_express_is_refused_and_the_others_are_imported(
    filled_sqlite: Catalog, rows: list[dict[str, Any]]
) -> None:
    results = imported(filled_sqlite, [*rows, row("good", IMAGE_2)])
    assert {each.key: each.kind for each in results} == {"bad": "refused", "good": "imported"}
    assert kinds(imported(filled_sqlite, [row("good", IMAGE_2)])) == ["known"]


def test_law_5_a_note_that_no_document_can_express_keeps_nothing_from_arriving(filled: Catalog) -> None:
    imported(filled, [row("bad", NEW, frames="3", **NOWHERE), without_place("good", NEW)])
    bring(filled, NEW)
    assert residences(filled) == ["derivable"]
    (waits,) = awaited(filled)
    assert "has no frames" in waits.refused
    bring(filled, "1.4.1.1.2")


def test_law_5_no_fault_of_the_maker_keeps_an_image_from_arriving(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(filled, [without_place("1", NEW)])

    def fails(*_: Any) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(derivable, "_entry", fails)
    bring(filled, NEW)
    (waits,) = awaited(filled)
    assert waits.refused == "No key object can be made of it: KeyError: 'gone'"
    monkeypatch.undo()
    assert kinds(imported(filled, [without_place("1", NEW)])) == ["known"]
    assert residences(filled) == ["derivable"]


def test_rows_that_are_alike_once_the_image_is_known_are_one_reference(filled: Catalog) -> None:
    rows = [row("1", IMAGE, frames="1", **NOWHERE), row("1", IMAGE, **NOWHERE)]
    later = [row("2", NEW, frames="1", **NOWHERE), row("2", NEW, **NOWHERE), row("2", IMAGE, **NOWHERE)]
    results = imported(filled, [*rows, *later])
    assert kinds(results) == ["imported", "waiting"]
    bring(filled, NEW)
    assert [len(read(filled, each.note).references) for each in results] == [1, 2]
    assert awaited(filled) == []
    make_all(filled)
    hold_law_11(filled)


def test_law_5_a_uid_that_means_something_else_by_now_keeps_nothing_from_arriving(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", NEW, key_object_uid="1.2.1.1.50")])
    bring(filled, "1.2.1.1.50")
    bring(filled, NEW)
    assert residences(filled) == ["derivable"]
    (carrier,) = read(filled, result.note).key_objects
    assert carrier.sop_instance_uid != "1.2.1.1.50"


def test_a_uid_that_another_note_has_is_refused(filled_sqlite: Catalog) -> None:
    rows = [row("1", NEW, key_object_uid="1.4.1.9.1"), row("2", "1.4.1.1.2", key_object_uid="1.4.1.9.1")]
    results = imported(filled_sqlite, rows)
    assert kinds(results) == ["waiting", "refused"]
    assert "is that of another note already" in results[1].sentence
    assert kinds(imported(filled_sqlite, rows)) == ["waiting", "refused"]
    (result,) = imported(filled_sqlite, [row("3", IMAGE, key_object_uid=IMAGE_2)])
    assert result.kind == "refused"


def test_law_7_a_note_stays_if_something_else_arrives_under_the_uid_of_its_key_object(
    filled_sqlite: Catalog,
) -> None:
    """An image, a key object that flags something else, and one of another patient."""
    for number, (key, other) in enumerate(
        [
            ("1.4.1.1.50", dataset(object_of("1.4.1.1.50"))),
            ("1.4.2.9.1", key_object("1.4.2.9.1", "1.4.2.1.2")),
            ("1.4.3.9.1", key_object("1.4.3.9.1", "1.4.3.1.1", patient="P2")),
        ]
    ):
        uid = f"1.4.{number + 1}.1.1"
        (result,) = imported(filled_sqlite, [without_place(str(number), uid, key_object_uid=key)])
        receive(filled_sqlite, other)
        assert linked(filled_sqlite)[str(number)] == ("note", result.note)
        assert read(filled_sqlite, result.note).awaited[0].sop_instance_uid != key


def test_law_5_no_key_object_is_made_in_the_study_of_another_patient(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", "1.3.1.1.99")])
    assert (result.kind, result.sentence) == (
        "refused",
        f"Study {OTHER} belongs to another patient than the note.",
    )
    (result,) = imported(filled, [row("2", IMAGE), row("2", NEW)])
    assert residences(filled) == ["derivable"]
    bring(filled, "1.4.1.1.2", PatientID="P9")
    assert residences(filled) == ["derivable"]
    assert "belong to different patients" in awaited(filled)[0].refused
    # The note says of no patient, and its images of two.
    imported(filled, [row("3", IMAGE_3, patient_id=""), row("3", "1.4.2.1.1", patient_id="")])
    bring(filled, "1.4.2.1.2", PatientID="P9")
    assert "belong to different patients" in awaited(filled)[-1].refused


def test_undoing_a_withdrawal_makes_what_waited(filled: Catalog) -> None:
    (result,) = imported(filled, [row("1", NEW)])
    number = result.note
    assert number is not None
    key = filled.write(lambda tx: withdraw_note(tx, number, text="wrong", by=ROE, now=NOW))
    bring(filled, NEW)
    assert residences(filled) == []
    filled.write(lambda tx: undo_withdrawal(tx, key, by=ROE, now=NOW))
    assert residences(filled) == ["derivable"]
    assert [each.standing for each in read(filled, number).key_objects] == ["live"]


def test_a_note_is_no_duplicate_of_one_that_was_withdrawn(filled_sqlite: Catalog) -> None:
    number = made(filled_sqlite, request(IMAGE)).id
    assert number is not None
    filled_sqlite.write(lambda tx: withdraw_note(tx, number, text="wrong", by=ROE, now=NOW))
    assert kinds(imported(filled_sqlite, [row("1", IMAGE)])) == ["imported"]


def test_law_11_two_writers_make_the_key_objects_of_a_note_one_after_the_other(filled: Catalog) -> None:
    """Otherwise neither would know of what the other has made, and one would wait for good."""
    imported(filled, [row("1", NEW), row("1", "1.4.2.1.1")])
    began = Event()

    def second() -> None:
        began.set()
        bring(filled, "1.4.2.1.1")

    with ThreadPoolExecutor(1) as pool:

        def first(transaction: Connection) -> Future[None]:
            file_arrivals(transaction, [arrival(dataset(object_of(NEW)), NOW)], NOW)
            other = pool.submit(second)
            began.wait(60)
            # Long enough that it has come to the versions that wait, where nothing keeps it from them.
            wait([other], timeout=0.5)
            return other

        filled.write(first).result(60)
    assert (residences(filled), awaited(filled)) == (["derivable", "derivable"], [])


def test_an_exported_key_object_of_which_nobody_said_the_uid_stands_for_the_note_that_waits(
    filled: Catalog,
) -> None:
    imported(
        filled,
        [
            row("1", NEW),
            row("1", "1.4.1.1.2"),
            row("2", NEW),
            row("2", "1.4.1.1.3"),
            row("3", NEW, title="113003"),
        ],
    )
    receive(filled, key_object("1.4.1.9.1", "1.4.1.1.2", NEW))
    assert {key: kind for key, (kind, _) in linked(filled).items()} == {
        "1": "duplicate",
        "2": "note",
        "3": "note",
    }
    # The other two: their study is here now.
    assert residences(filled) == ["local", "derivable", "derivable"]


def test_law_5_no_arrival_waits_until_many_key_objects_are_made(
    filled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making_awaited, "IN_INTAKE", 2)
    monkeypatch.setattr(making_awaited, "_OF_ONE_JOB", 2)
    imported(filled, [row(str(number), f"1.4.1.1.{number}") for number in range(1, 6)])
    imported(filled, [without_place("lacks", "1.4.1.1.99")])
    shop = Shop(filled, {MAKE_WAITING.name: MAKE_WAITING})
    bring(filled, "1.4.1.1.9")
    assert (residences(filled), len(awaited(filled))) == (["derivable"] * 2, 4)
    for _ in range(2):
        job = shop.claimed()
        outcome = MakeWaiting(clock)(job)
        shop.settle(job, outcome)
    assert outcome == Done("1 key objects were made.")
    assert (residences(filled), len(awaited(filled))) == (["derivable"] * 5, 1)
