"""Measure the import of notes of another system beside bare inserts of the same rows, with the same indexes.

    python -m benchmarks.notes_import --notes 20000

Notes flag four images each. Half of the measurements are of notes whose studies are here, which get the rows of their
key objects at once; the others wait for their studies. The bare inserts are the rows that the import has written, in
transactions of as many notes, by the driver's bulk statements, into an index like the one before. Both are durable
when they count. The import includes reading the table, sorting, validation, and the report. Memory is the greatest
of the process; that of the import is flat if the last column is about the same for ten times the notes.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Table, func, select

from benchmarks.actors import PROGRAM
from benchmarks.bulk_rows import pour
from benchmarks.fill import Extent, Row, filled
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table as Figures
from benchmarks.table import ratio
from benchmarks.uids import IN_ORDER, image_uid
from kinote.catalog.schema.tables import (
    awaited_key_object,
    change,
    instance,
    key_object,
    key_object_request,
    migrated_note,
    note,
    note_modifier,
    note_reference,
    note_study,
    note_version,
    series,
)
from kinote.catalog.sql.text_grams import fold, grams
from kinote.catalog.sql.text_index import NOTE_TEXT
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.migration.importing import BATCH, ImportOptions, NotesImport
from kinote.migration.reading import TableReader

#: What an import may take, of bare inserts of the same rows: the project's target.
BAR = 2.0

REFERENCES = 4
IMAGES = 10

#: The tables that an import writes, in the order in which rows refer to each other; with their keys.
TABLES: Sequence[Table] = (
    note,
    note_version,
    note_modifier,
    note_reference,
    note_study,
    migrated_note,
    awaited_key_object,
    series,
    instance,
    key_object,
    key_object_request,
    change,
)


def table(notes: int, studies: int, *, here: bool) -> Iterator[bytes]:
    """A table of notes as JSON Lines, of studies that are here or not."""
    for number in range(notes):
        at = number % studies
        for position in range(REFERENCES):
            place = IN_ORDER.study(at) if here else f"1.2.999.{at}"
            # Each note flags others, so that none is a duplicate.
            image = image_uid(at, position) if here else f"{place}.1.{position}"
            row = {
                "note": f"N{number:09}",
                "title": "113000",
                "title_scheme": "DCM",
                "description": f"Nodule {number}, to be seen again",
                "author": f"Reader^{number % 40}",
                "created": f"2019-05-{1 + number % 28:02}T14:07:00+02:00",
                "study_instance_uid": place,
                "series_instance_uid": f"{place}.1",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
                "sop_instance_uid": f"{image}.{number}",
            }
            yield json.dumps(row).encode() + b"\n"


def imported(catalog: Catalog, pieces: Iterator[bytes]) -> dict[str, int]:
    """Import a table; gives the counts of its report."""
    work = NotesImport(catalog, ImportOptions("bench"), by=PROGRAM, clock=lambda: datetime.now(UTC))
    with closing(work):
        for unread in work.read(TableReader(pieces, "jsonl")):
            raise AssertionError(unread)
        for _ in work.file():
            pass
    return dict(work.progress.counts)


def numbers(catalog: Catalog) -> dict[Table, int]:
    """The greatest keys of the tables that others are inserted beside."""
    with catalog.read() as connection:
        return {
            each: connection.execute(select(func.coalesce(func.max(each.c.id), 0))).scalar_one()
            for each in (series, instance)
        }


def written(catalog: Catalog, before: Mapping[Table, int]) -> dict[Table, list[Row]]:
    """The rows that an import has written."""
    with catalog.read() as connection:
        return {
            each: [
                dict(row._mapping)
                for row in connection.execute(
                    select(each).where(each.c.id > before[each]) if each in before else select(each)
                )
            ]
            for each in TABLES
        }


def insert_bare(catalog: Catalog, rows: Mapping[Table, list[Row]], batches: int) -> None:
    """Insert the rows in so many transactions."""
    for batch in range(batches):

        def work(transaction: Connection, batch: int = batch) -> None:
            for each, its in rows.items():
                begin, end = (len(its) * at // batches for at in (batch, batch + 1))
                pour(transaction, each, its[begin:end])
                if each is note_version:
                    NOTE_TEXT.fill(
                        transaction,
                        [
                            (row["note"], folded := fold(row["description"]), grams(folded))
                            for row in its[begin:end]
                        ],
                        new=True,
                    )

        catalog.write(work)


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder: Path, notes: int, studies: int, *, here: bool) -> tuple[float, float, float]:
    """Seconds of the import and of bare inserts, and the memory after the import."""
    seconds = []
    rows: dict[Table, list[Row]] = {}
    memory = 0.0
    for name in ("import", "bare"):
        url = f"sqlite:///{folder / f'{name}-{here}.sqlite'}"
        with closing(Catalog(CatalogOptions(url))) as catalog:
            filled(catalog, Extent(studies, images=IMAGES))
            if name == "import":
                before = numbers(catalog)
                begun = time.perf_counter()
                counts = imported(catalog, table(notes, studies, here=here))
                seconds.append(time.perf_counter() - begun)
                assert counts == {"imported" if here else "waiting": notes}, counts
                memory = peak()
                rows = written(catalog, before)
            else:
                begun = time.perf_counter()
                insert_bare(catalog, rows, max(notes // BATCH, 1))
                seconds.append(time.perf_counter() - begun)
    return seconds[0], seconds[1], memory


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=int, default=20_000, help="[default: 20000]")
    parser.add_argument("--studies", type=int, default=1_000, help="that they are of [default: 1000]")
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    figures = Figures(("notes", "notes/s", "bare notes/s", "of bare inserts' time", "MB"))
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(f"settings  {options.notes} notes of {REFERENCES} images, in {options.studies} studies")
        quiet = Quiet(options.busy)
        for name, here in (("with key objects", True), ("waiting", False)):
            quiet.wait()
            taken, bare, memory = measure(folder, options.notes, options.studies, here=here)
            figures.add(name, options.notes / taken, options.notes / bare, ratio(taken, bare), memory)
        print(f"machine   {quiet.describe()}")
    figures.show(f"Notes of another system: at most {BAR:g} times the bare inserts is wanted")


if __name__ == "__main__":
    main()
