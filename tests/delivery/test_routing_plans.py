"""The SQL of routes takes indexes: no occasion has all instances, or all notes of a title, read."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import event

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.delivery.routing.route import Conditions, Title, Trigger, WantedRoute
from kinote.delivery.routing.selecting import Occasion, Receiver, chosen, holds
from kinote.peers.destination import Content
from tests.notes import sample_studies
from tests.notes.sample_studies import FIRST, IMAGE

ALL = Conditions(
    titles=(Title("113000"),),
    note_origins=("authored",),
    modalities=("CT",),
    sop_classes=("1.2",),
    sources=("X",),
    has_notes=True,
)


@pytest.mark.parametrize("content", Content, ids=str)
@pytest.mark.parametrize("trigger", [Trigger.NOTE_MADE, Trigger.STUDY_QUIET], ids=str)
def test_no_occasion_has_everything_read(sqlite_url: str, trigger: Trigger, content: Content) -> None:
    catalog = Catalog(CatalogOptions(sqlite_url))
    try:
        sample_studies.fill(catalog)
        note = sample_studies.made(catalog, sample_studies.request(IMAGE)).id
        wanted = WantedRoute("Route", 1, (trigger,), ALL, content)
        occasion = Occasion(trigger, FIRST, note if trigger is Trigger.NOTE_MADE else None)
        asked: list[tuple[str, Any]] = []

        def seen(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
            asked.append((statement, parameters))

        with catalog.read() as connection:
            event.listen(connection.engine, "before_cursor_execute", seen)
            try:
                holds(connection, wanted, occasion, date(2026, 11, 30))
                chosen(connection, wanted, occasion, Receiver(1, 1, ("X",), False))
            finally:
                event.remove(connection.engine, "before_cursor_execute", seen)
            steps = [
                row[3]
                for statement, parameters in asked
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
    finally:
        catalog.close()
    assert len(asked) >= 2
    assert [each for each in steps if each.startswith("SCAN") and "CONSTANT" not in each] == []
    assert [each for each in steps if "(rowid>?)" in each or "note_version_by_title" in each] == []
