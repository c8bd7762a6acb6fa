"""Law 1: what counts notes counts those that are listed."""

from __future__ import annotations

import pytest

from kinote.catalog.catalog import Catalog
from kinote.keyobject.model import InstanceReference, Reference
from kinote.notes.reading import NoteSearch, notes_of_study, search
from kinote.web.api.study_list import StudyFilter, studies
from tests.catalog.archive import CT
from tests.notes.ward import FIRST, IMAGE, OTHER, OTHER_IMAGE, SECOND, key_object, place, receive

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
