"""What of a study counts as flagged when it is used: what notes flag there, and the states they show it with."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from kinote.catalog.last_use import parts_of
from kinote.catalog.schema.tables import instance
from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import dcm
from kinote.keyobject.titles import REJECTED_FOR_QUALITY_REASONS
from kinote.notes.acts.withdraw import withdraw_note
from tests.actors import ROE
from tests.notes.sample_studies import (
    FIRST_STATE,
    IMAGE,
    IMAGE_2,
    IMAGE_3,
    NOW,
    OTHER_IMAGE,
    SECOND_IMAGE,
    SECOND_STATE,
    flag,
    key_object,
    later,
    made,
    receive,
    request,
)
from tests.notes.test_law_4_withdrawal import revising

KOS = "1.2.1.70.1"


def flagged(catalog: Catalog) -> set[str]:
    """The UIDs of all images and states that count as flagged."""
    with catalog.read() as connection:
        uids = {row.id: row.sop_instance_uid for row in connection.execute(select(instance))}
        parts = parts_of(connection, list(uids))
    assert parts.keys() == uids.keys()
    return {uids[key] for key, (_, part) in parts.items() if part == "flagged"}


def test_what_notes_flag_and_show_it_with_is_flagged(filled: Catalog) -> None:
    assert flagged(filled) == set()
    made(filled, request(flag(IMAGE, presentation_state_uid=FIRST_STATE), SECOND_IMAGE))
    assert flagged(filled) == {IMAGE, FIRST_STATE, SECOND_IMAGE}
    made(filled, request(IMAGE_2))
    assert flagged(filled) == {IMAGE, FIRST_STATE, SECOND_IMAGE, IMAGE_2}
    assert receive(filled, key_object(KOS, IMAGE_3))[0].kind == "stored"
    assert flagged(filled) == {IMAGE, FIRST_STATE, SECOND_IMAGE, IMAGE_2, IMAGE_3}
    assert SECOND_STATE not in flagged(filled)


@pytest.mark.parametrize("title", [REJECTED_FOR_QUALITY_REASONS, dcm("113030", "Manifest")])
def test_rejections_and_manifests_flag_nothing(filled: Catalog, title: object) -> None:
    assert receive(filled, key_object(KOS, IMAGE, title=title))[0].kind == "stored"
    assert flagged(filled) == set()


def test_only_what_a_note_says_now_is_flagged(filled: Catalog) -> None:
    note = made(filled, request(flag(IMAGE, presentation_state_uid=FIRST_STATE))).id
    assert note is not None
    filled.write(lambda transaction: revising(transaction, note))
    assert flagged(filled) == {IMAGE_2}

    def withdrawing(transaction: Connection) -> None:
        withdraw_note(transaction, note, text="blurred", by=ROE, now=later(NOW, 120))

    filled.write(withdrawing)
    assert flagged(filled) == set()


def test_an_image_of_another_patient_is_not_flagged(filled: Catalog) -> None:
    receive(filled, key_object(KOS, IMAGE, OTHER_IMAGE, copies=["1.3.1.70.1"]))
    assert flagged(filled) == {IMAGE}


def test_the_look_up_takes_the_way_of_the_indexes(filled_sqlite: Catalog) -> None:
    made(filled_sqlite, request(flag(IMAGE, presentation_state_uid=FIRST_STATE)))
    plans: list[str] = []
    with filled_sqlite.read() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        seen: list[str] = []
        driver.set_trace_callback(seen.append)
        assert len(parts_of(connection, [1, 2, 3])) == 3
        driver.set_trace_callback(None)
        for statement in seen:
            plans += [step for *_, step in driver.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert [step for step in plans if step.startswith("SCAN") and "VIRTUAL TABLE" not in step] == []
    assert any("note_reference_by_instance" in step for step in plans)
    assert any("note_reference_by_state" in step for step in plans)
