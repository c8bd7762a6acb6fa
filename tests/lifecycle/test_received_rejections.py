"""Rejection notes of others act in the transaction of their arrival, before or after what they name."""

from __future__ import annotations

from itertools import permutations

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.keyobject.codes import Code
from kinote.keyobject.model import Reference
from kinote.notes.lists.queries import notes_of_study
from tests.lifecycle.rejected import (
    EXPIRED,
    QUALITY,
    SAFETY,
    STRANGER,
    TITLES,
    findings,
    image,
    live,
    receive,
    rejection,
    standings,
    told,
    withdrawals,
)
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    IMAGE_2,
    KEY_OBJECT,
    OTHER_IMAGE,
    SECOND_IMAGE,
    key_object,
    place,
)

NOTE = "1.2.1.80.1"
KOS = "1.2.1.70.1"


def to(uid: str) -> Reference:
    """A reference to a key object."""
    return Reference(place(uid, KEY_OBJECT))


@pytest.mark.parametrize("title", TITLES, ids=lambda title: title.value)
@pytest.mark.parametrize("note_first", [True, False])
def test_law_4_a_rejection_note_hides_what_it_names(catalog: Catalog, title: Code, note_first: bool) -> None:
    objects = [image(IMAGE), image(IMAGE_2)]
    note = rejection(NOTE, IMAGE, title=title)
    for each in [note, *objects] if note_first else [*objects, note]:
        assert [one.kind for one in receive(catalog, each)] == ["stored"]
    assert standings(catalog) == {IMAGE: "withdrawn", IMAGE_2: "live", NOTE: "live"}
    assert [change.kind for change in told(catalog) if change.sop_instance_uid == IMAGE] == (
        ["instance stored"] if note_first else ["instance stored", "instance withdrawn"]
    )


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_law_4_in_one_group_the_order_does_not_matter(catalog: Catalog, order: tuple[int, ...]) -> None:
    objects = [image(IMAGE), image(IMAGE_2), rejection(NOTE, IMAGE, title=SAFETY)]
    receive(catalog, *(objects[at] for at in order))
    assert standings(catalog) == {IMAGE: "withdrawn", IMAGE_2: "live", NOTE: "live"}


def test_a_key_object_is_rejected_and_its_note_disappears(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), key_object(KOS, IMAGE))
    receive(catalog, rejection(NOTE, to(KOS)))
    assert live(catalog) == [IMAGE, NOTE]
    with catalog.read() as connection:
        assert notes_of_study(connection, FIRST) == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_rejecting_a_rejection_note_never_shows_what_it_has_hidden(
    catalog: Catalog, order: tuple[int, ...]
) -> None:
    """standards.md section 5: it hides the note and has no further effect, so that cycles are harmless."""
    second = "1.2.1.80.2"
    objects = [image(IMAGE), rejection(NOTE, IMAGE), rejection(second, to(NOTE))]
    for at in order:
        receive(catalog, objects[at])
    assert standings(catalog) == {IMAGE: "withdrawn", NOTE: "withdrawn", second: "live"}
    assert [(uid, code) for uid, code, _ in findings(catalog)] == [(second, "REJECTION_OF_REJECTION")]


def test_rejection_notes_that_reject_each_other_are_both_hidden(catalog: Catalog) -> None:
    second = "1.2.1.80.2"
    for each in (image(IMAGE), rejection(NOTE, to(second), IMAGE), rejection(second, to(NOTE))):
        receive(catalog, each)
    assert live(catalog) == []


@pytest.mark.parametrize("title", TITLES, ids=lambda title: title.value)
@pytest.mark.parametrize("note_first", [True, False])
def test_a_rejection_by_a_peer_that_is_not_named_for_it_only_waits(
    catalog: Catalog, title: Code, note_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    objects = [image(IMAGE), rejection(NOTE, IMAGE, title=title)]
    for each in reversed(objects) if note_first else objects:
        receive(catalog, each, by=STRANGER)
    assert live(catalog) == [IMAGE, NOTE]
    assert [(note, effect) for note, _, effect, _ in withdrawals(catalog)] == [(NOTE, "proposed")]
    assert [record.levelname for record in caplog.records] == ["ERROR" if title == SAFETY else "WARNING"]


@pytest.mark.parametrize("note_first", [True, False])
def test_another_patient_s_instance_is_not_rejected_and_a_finding_says_so(
    catalog: Catalog, note_first: bool
) -> None:
    objects = [image(IMAGE), image(SECOND_IMAGE), image(OTHER_IMAGE)]
    copies = ("1.2.2.80.1", "1.3.1.80.1")
    note = rejection(NOTE, IMAGE, SECOND_IMAGE, OTHER_IMAGE, title=SAFETY, copies=copies)
    for each in [note, *objects] if note_first else [*objects, note]:
        receive(catalog, each)
    assert live(catalog) == [NOTE, OTHER_IMAGE]
    assert findings(catalog) == [
        (
            NOTE,
            "REJECTION_FOREIGN",
            f"It rejects instances of another patient, on which it has no effect: {OTHER_IMAGE}.",
        )
    ]


def test_a_patient_that_becomes_known_later_counts(catalog: Catalog) -> None:
    """As long as the patient of a study is unknown it may be the same one."""
    receive(catalog, image(OTHER_IMAGE, PatientID=""), rejection(NOTE, OTHER_IMAGE, copies=["1.3.1.80.1"]))
    assert live(catalog) == [NOTE]
    receive(catalog, image("1.3.1.1.2"))
    assert live(catalog) == [NOTE, OTHER_IMAGE, "1.3.1.1.2"]
    assert [code for _, code, _ in findings(catalog)] == ["REJECTION_FOREIGN"]


def test_a_patient_of_the_note_that_becomes_known_later_counts(catalog: Catalog) -> None:
    receive(catalog, image(OTHER_IMAGE), rejection(NOTE, OTHER_IMAGE, patient="", copies=["1.3.1.80.1"]))
    assert live(catalog) == [NOTE]
    receive(catalog, image(IMAGE))
    assert live(catalog) == [IMAGE, NOTE, OTHER_IMAGE]


def test_a_second_rejection_is_a_success_that_changes_nothing(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE))
    before = told(catalog)
    assert [one.kind for one in receive(catalog, rejection(NOTE, IMAGE))] == ["known"]
    assert told(catalog) == before
    assert [one.kind for one in receive(catalog, rejection("1.2.1.80.2", IMAGE, title=EXPIRED))] == ["stored"]
    assert [change.kind for change in told(catalog)[len(before) :]] == [
        "rejection note registered",
        "instance stored",
    ]
    assert live(catalog) == [NOTE, "1.2.1.80.2"]


def test_rejection_notes_are_never_shown_as_key_images(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), image(IMAGE_2), rejection(NOTE, IMAGE), key_object(KOS, IMAGE_2))
    with catalog.read() as connection:
        assert [note.title.value for note in notes_of_study(connection, FIRST) if note.title] == ["113000"]


def test_the_title_113001_is_the_default(catalog: Catalog) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE))
    assert withdrawals(catalog) == [(NOTE, "quality", "hidden", ((IMAGE, ""),))]
    assert QUALITY.value == "113001"
