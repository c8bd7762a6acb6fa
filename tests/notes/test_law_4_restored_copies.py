"""Law 4: a later copy that restores an instance ends what our own rejection note says of it."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.intake.filing import file_arrivals
from kinote.lifecycle import acts
from kinote.notes.acts.undo_windows import close_window
from kinote.notes.lists.queries import notes_of_study
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    IMAGE_2,
    NOW,
    SECOND,
    SECOND_IMAGE,
    arrival,
    dataset,
    fill,
    later,
    object_of,
)
from tests.notes.test_law_4_undo_windows import (
    PACS,
    READER,
    VIEWER,
    Work,
    at_once,
    closed,
    given,
    live,
    prepared,
    rejected,
    stood,
)


def copying(transaction: Connection) -> None:
    file_arrivals(transaction, [arrival(dataset(object_of(IMAGE)), NOW)], NOW)


def expired(catalog: Catalog, *uids: str) -> int:
    return rejected(catalog, *uids, act=acts.RETENTION_EXPIRED)


def named(catalog: Catalog, study: str) -> list[set[str]]:
    """What the rejection notes of a study name that are live."""
    with catalog.read() as connection:
        notes = notes_of_study(connection, study, everything=True)
    return [{each.sop_instance_uid for each in note.references} for note in notes]


def test_law_4_a_note_that_nobody_has_seen_is_made_again_without_it(filled: Catalog) -> None:
    given(filled, IMAGE)
    given(filled, IMAGE_2, SECOND_IMAGE, to=VIEWER)
    key = expired(filled, IMAGE, IMAGE_2, SECOND_IMAGE)
    filled.write(copying)
    given(filled, IMAGE, to=READER)
    assert closed(filled, key)
    assert IMAGE in live(filled)
    assert (named(filled, FIRST), named(filled, SECOND)) == ([{IMAGE_2}], [{SECOND_IMAGE}])
    notes = prepared(filled, key)
    assert stood(filled, notes.values()) == {(uid, VIEWER): "owed" for uid in notes.values()}


def test_law_4_a_note_that_would_name_nothing_is_not_made(filled: Catalog) -> None:
    given(filled, IMAGE)
    key = expired(filled, IMAGE)
    (note,) = prepared(filled, key).values()
    filled.write(copying)
    assert closed(filled, key)
    assert (prepared(filled, key), stood(filled, [note])) == ({}, {})
    assert (named(filled, FIRST), IMAGE in live(filled)) == ([], True)


def test_law_4_who_was_told_of_it_is_owed_it_and_who_was_not_is_told_of_the_rest(filled: Catalog) -> None:
    for receiver in (PACS, VIEWER, READER):
        given(filled, IMAGE, to=receiver)
    given(filled, IMAGE_2, to=VIEWER)
    key = expired(filled, IMAGE, IMAGE_2)
    assert closed(filled, key)
    (note,) = prepared(filled, key).values()
    given(filled, note)
    filled.write(copying)
    assert {IMAGE, note} < live(filled)
    assert stood(filled, [note]) == {(note, PACS): "given", (note, VIEWER): "owed"}
    ought = {(IMAGE, PACS): "owed", (IMAGE, VIEWER): "given", (IMAGE, READER): "given"}
    assert stood(filled, [IMAGE]) == ought
    assert stood(filled, [IMAGE_2]) == {(IMAGE_2, VIEWER): "given"}
    # The note reaches another, and names the instance.
    given(filled, note, to=VIEWER)
    assert stood(filled, [IMAGE]) == {**ought, (IMAGE, VIEWER): "owed"}


def test_law_4_a_note_of_which_nothing_holds_is_withdrawn(filled: Catalog) -> None:
    given(filled, IMAGE)
    given(filled, IMAGE, to=VIEWER)
    key = expired(filled, IMAGE)
    assert closed(filled, key)
    (note,) = prepared(filled, key).values()
    given(filled, note)
    filled.write(copying)
    assert IMAGE in live(filled)
    assert note not in live(filled), "who retrieves the study would hide what is live"
    assert stood(filled, [note]) == {(note, PACS): "given"}
    assert stood(filled, [IMAGE]) == {(IMAGE, PACS): "owed", (IMAGE, VIEWER): "given"}


@pytest.mark.parametrize("copy_first", [True, False], ids=["the copy first", "the closing first"])
def test_law_4_a_window_that_closes_while_a_copy_comes(postgresql_url: str, copy_first: bool) -> None:
    """Whichever comes first, the instance is live and no note names it."""
    catalog = Catalog(CatalogOptions(postgresql_url))
    fill(catalog)
    given(catalog, IMAGE)
    key = expired(catalog, IMAGE)
    works: list[Work] = [copying, lambda tx: close_window(tx, key, now=later(NOW))]
    at_once(catalog, *(works if copy_first else reversed(works)))
    assert (IMAGE in live(catalog), named(catalog, FIRST)) == (True, [])
    assert "owed" not in stood(catalog, [IMAGE, *prepared(catalog, key).values()]).values()
    catalog.close()
