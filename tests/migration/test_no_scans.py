"""Neither an import, nor what arrives for it, nor a look at what waits walks through a table that grows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.notes.acts.withdraw import withdraw_note
from kinote.notes.lists.queries import NoteSearch, notes_of_study, search
from kinote.notes.lists.waiting import duplicates, waiting_notes
from tests.actors import ROE
from tests.laws.test_no_scans import statements_of_sqlite, walks_of
from tests.migration.tables import imported, row, without_place
from tests.notes import sample_studies
from tests.notes.sample_studies import (
    FIRST,
    IMAGE,
    NOW,
    SECOND_IMAGE,
    dataset,
    key_object,
    object_of,
    receive,
)


def test_an_import_walks_through_no_table(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    options = CatalogOptions(f"sqlite:///{path}")
    # The tables are made before: that is nothing that a day does.
    Catalog(options).close()
    with statements_of_sqlite() as seen, closing(Catalog(options)) as catalog:
        sample_studies.fill(catalog)
        rows = [
            row("1", IMAGE),
            row("1", SECOND_IMAGE),
            without_place("2", "1.4.1.1.1"),
            row("3", IMAGE, key_object_uid="1.2.1.9.1"),
            without_place("4", "1.2.1.1.99", key_object_uid="1.2.1.9.2"),
            row("5", IMAGE),
        ]
        imported(catalog, rows)
        results = imported(catalog, rows)
        receive(catalog, dataset(object_of("1.4.1.1.1")), key_object("1.2.1.9.2", "1.2.1.1.99"))
        number = results[0].note
        assert number is not None
        catalog.write(lambda tx: withdraw_note(tx, number, text="", by=ROE, now=NOW))
        with catalog.read() as connection:
            waiting_notes(connection, after=(0, ""), limit=10)
            duplicates(connection, after=0, limit=10)
            notes_of_study(connection, FIRST)
            search(connection, NoteSearch(origin="migrated"))
        walks = walks_of(str(path), seen.values())
    assert len(seen) > 50
    assert walks == {}
