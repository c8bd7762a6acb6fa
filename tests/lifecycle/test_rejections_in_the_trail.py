"""What received rejection notes withdraw is in the audit trail, with who sent the note and whom it concerns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kinote.catalog.transactions.catalog import Catalog
from kinote.security.actors import Actor
from kinote.security.audit.search import TrailSearch, search_trail
from kinote.security.audit.writing import write_entries
from tests.lifecycle.rejected import ARCHIVE, RULES, STRANGER, image, receive, rejection
from tests.notes.sample_studies import FIRST, IMAGE

NOTE = "1.2.1.80.1"

RECORDED = replace(
    RULES,
    record=lambda transaction, entries, now: write_entries(transaction, [(each, now) for each in entries]),
)


def entries(catalog: Catalog) -> list[dict[str, Any]]:
    with catalog.read() as connection:
        return search_trail(connection, TrailSearch(), before=None, limit=100)


@pytest.mark.parametrize("is_here", [True, False])
def test_a_rejection_that_takes_effect_is_recorded(catalog: Catalog, is_here: bool) -> None:
    objects = [image(IMAGE)] if is_here else []
    receive(catalog, *objects, rejection(NOTE, IMAGE), by=ARCHIVE, rules=RECORDED)
    (entry,) = entries(catalog)
    assert (entry["event"], entry["by"]["name"], entry["study_instance_uid"]) == (
        "withdrawn",
        "ARCHIVE",
        FIRST,
    )
    assert entry["detail"]["rejection_note"] == NOTE
    # The same note again does nothing.
    receive(catalog, rejection(NOTE, IMAGE), by=ARCHIVE, rules=RECORDED)
    assert len(entries(catalog)) == 1


@pytest.mark.parametrize(("by", "rules"), [(STRANGER, RECORDED), (ARCHIVE, RULES)], ids=["waits", "no trail"])
def test_one_that_waits_is_not_and_nothing_is_without_a_trail(
    catalog: Catalog, by: Actor, rules: Any
) -> None:
    receive(catalog, image(IMAGE), rejection(NOTE, IMAGE), by=by, rules=rules)
    assert entries(catalog) == []
