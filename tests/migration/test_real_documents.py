"""The document as which a migrated note was exported arrives when another one has been promised under its UID."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from kinote.catalog.schema.tables import instance, note
from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import dcm
from kinote.keyobject.model import Person
from kinote.lifecycle import counts
from kinote.notes.creator.making import derived, make_some
from kinote.notes.lists.queries import notes_of_study
from tests.migration.tables import imported, residences, row
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    IMAGE_2,
    SECOND_IMAGE,
    bytes_of,
    dataset,
    key_object,
    object_of,
    read,
    receive,
)

UID = "1.2.1.9.1"


def waiting(catalog: Catalog, *flagged: str, **values: Any) -> int:
    """A migrated note whose document is promised under `UID`."""
    results = imported(catalog, [row("1", uid, key_object_uid=UID, **values) for uid in flagged])
    assert results[0].kind == "imported"
    assert results[0].note is not None
    return results[0].note


def test_the_exported_document_takes_the_place_of_the_derivable_one(filled: Catalog) -> None:
    number = waiting(filled, IMAGE, IMAGE_2)
    assert residences(filled) == ["derivable"]
    real = key_object(UID, IMAGE_2, IMAGE, observers=(Person("Far^Away"),), description="As exported")
    (outcome,) = receive(filled, real)
    assert (outcome.kind, outcome.registration) == ("stored", "registered")
    assert residences(filled) == ["local"]
    with filled.read() as connection:
        (found,) = notes_of_study(connection, FIRST)
        assert counts.differences(connection) == []
        assert connection.execute(select(func.count()).select_from(note)).scalar_one() == 1
    assert (found.id, found.version, found.origin) == (number, 2, "received")
    assert (found.description, found.author.name) == ("As exported", "Far^Away")
    assert bytes_of(filled, found) == [real]
    # Once more, by whatever way: nothing changes.
    assert [each.kind for each in receive(filled, real)] == ["known"]
    assert [each.kind for each in imported(filled, [row("1", IMAGE, key_object_uid=UID)])] == ["refused"]
    rows = [row("1", uid, key_object_uid=UID) for uid in (IMAGE, IMAGE_2)]
    assert [each.kind for each in imported(filled, rows)] == ["known"]


def test_the_document_that_would_be_made_is_taken_for_it(filled_sqlite: Catalog) -> None:
    number = waiting(filled_sqlite, IMAGE)
    with filled_sqlite.read() as connection:
        made = derived(connection, UID)
    (outcome,) = receive(filled_sqlite, made)
    assert outcome.kind == "stored"
    assert (residences(filled_sqlite), read(filled_sqlite, number).version) == (["local"], 1)


@pytest.mark.parametrize(
    ("real", "why"),
    [
        pytest.param(key_object(UID, IMAGE_2), "flags other images", id="other images"),
        pytest.param(
            key_object(UID, IMAGE, title=dcm("113003", "For Surgery")),
            "its title is",
            id="other title",
        ),
        pytest.param(key_object(UID, IMAGE, patient="P2"), "another patient", id="other patient"),
    ],
)
def test_law_7_what_says_another_note_is_held_with_the_reason(
    filled_sqlite: Catalog, real: bytes, why: str
) -> None:
    number = waiting(filled_sqlite, IMAGE)
    (outcome,) = receive(filled_sqlite, real)
    assert outcome.kind == "held"
    assert why in outcome.reason
    assert residences(filled_sqlite)[0] == "derivable"
    assert read(filled_sqlite, number).version == 1


def test_law_11_a_document_whose_bytes_were_made_stays(filled_sqlite: Catalog) -> None:
    number = waiting(filled_sqlite, IMAGE)
    assert make_some(filled_sqlite, after=0, limit=10).made == 1
    (outcome,) = receive(filled_sqlite, key_object(UID, IMAGE))
    assert outcome.kind == "held"
    assert read(filled_sqlite, number).version == 1


def test_law_11_a_document_that_another_one_names_stays(filled_sqlite: Catalog) -> None:
    """The other document of the note names it, and depends on what the note says."""
    rows = [row("1", IMAGE, key_object_uid=UID), row("1", SECOND_IMAGE)]
    (result,) = imported(filled_sqlite, rows)
    assert result.kind == "imported"
    (outcome,) = receive(filled_sqlite, key_object(UID, IMAGE, SECOND_IMAGE, copies=["1.2.2.9.1"]))
    assert (outcome.kind, "documents in other studies" in outcome.reason) == ("held", True)
    assert residences(filled_sqlite)[:2] == ["derivable"] * 2


def test_an_image_under_the_uid_is_held_as_ever(filled_sqlite: Catalog) -> None:
    waiting(filled_sqlite, IMAGE)
    (outcome,) = receive(filled_sqlite, dataset(object_of(UID)))
    assert outcome.kind == "held"
    with filled_sqlite.read() as connection:
        held = (
            connection.execute(select(instance.c.standing).order_by(instance.c.id.desc())).scalars().first()
        )
    assert held == "held"
