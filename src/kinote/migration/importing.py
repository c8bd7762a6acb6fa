"""Imports a table of notes: sorts it, files it batch by batch, and reports the outcome of each note.

Each batch is a transaction. If the import stops, the filed batches stay. Importing the same table again continues,
since known notes are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from kinote.catalog.transactions.catalog import Catalog, CatalogClosedError
from kinote.catalog.transactions.commits import CommitInDoubtError
from kinote.migration.filing import Kind, Result, file_notes
from kinote.migration.legacy_notes import LegacyNote, RowRefusedError, note_of
from kinote.migration.mapping import Mapping
from kinote.migration.reading import FormatError, TableReader
from kinote.migration.rows import LegacyRow
from kinote.migration.sorting import SortedRows
from kinote.security.actors import Actor
from kinote.telemetry.clock import Clock

#: The number of notes in a transaction, and about how many references they have: others write in between.
BATCH, BATCH_REFERENCES = 200, 20_000

KINDS: tuple[Kind, ...] = ("imported", "waiting", "known", "duplicate", "refused")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import a table: the system it comes from, which defines the keys of its notes, and the mapping of names.

    With `is_dry` nothing is kept. Rows that cannot be assigned to a note prevent the import, because a note might lack
    an image, unless it `skips_unreadable` ones.
    """

    source: str
    mapping: Mapping = field(default_factory=Mapping)
    is_dry: bool = False
    skips_unreadable: bool = False


@dataclass(slots=True)
class Progress:
    """The progress of an import: rows and notes in all, and notes by outcome."""

    rows: int = 0
    notes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    unknown_columns: list[str] = field(default_factory=list)


class ImportEndedError(RuntimeError):
    """An import ended early for a reason in the index. The message says which."""


class _DryRun(Exception):  # noqa: N818 - no error: how a batch is taken back
    def __init__(self, results: list[Result]) -> None:
        super().__init__()
        self.results = results


class NotesImport:
    """The import of one table.

    First all rows are `read`; then `file` processes them. `close` removes the temporary files. In the transaction of
    each batch, `record` is told how many of its notes were imported, refused and so on.
    """

    def __init__(
        self,
        catalog: Catalog,
        options: ImportOptions,
        *,
        by: Actor,
        clock: Clock,
        record: Callable[[Connection, Counter[str]], None] = lambda transaction, counts: None,
    ) -> None:
        self._catalog = catalog
        self._options = options
        self._by = by
        self._clock = clock
        self._record = record
        self._sorted = SortedRows()
        self.progress = Progress()
        self._number = 0
        self._last = ""

    def read(self, table: TableReader) -> Iterator[Result]:
        """Read all rows. Yield those that cannot be read or assigned to a note.

        Raises `FormatError`; at the end also if there are such rows and the options do not permit skipping them.
        """
        unread: list[LegacyRow] = []
        number_unread = 0
        for row in table:
            self.progress.rows += 1
            if row.note:
                self._sorted.add(row)
                self._number += row.note != self._last
                self._last = row.note
            else:
                self.progress.counts["refused"] += 1
                number_unread += 1
                unread = unread or [row]
                yield Result("refused", row.line, "", row.problem)
        self.progress.unknown_columns = table.unknown_columns
        if table.mapping is not None:
            self._options = replace(self._options, mapping=table.mapping)
        if unread and not (self._options.skips_unreadable or self._options.is_dry):
            raise FormatError(
                f"Rows of which it is not known to which note they belong: {number_unread:,}, the first in line "
                f"{unread[0].line}. {unread[0].problem} Nothing was imported. Correct them, or skip them "
                "(--skip-unreadable, skip_unreadable=true)."
            )

    def file(self) -> Generator[list[Result], None, None]:
        """File the notes. Yield the outcomes of each batch, once it is durable. Raises `ImportEndedError`."""
        batch: list[LegacyNote] = []
        refused: list[Result] = []
        references = 0
        for rows in self._sorted:
            try:
                batch.append(note_of(rows, self._options.mapping, now=self._now()))
                references += len(batch[-1].content.references)
            except RowRefusedError as error:
                refused.append(Result("refused", error.line, _key(rows), str(error)))
            if len(batch) + len(refused) >= BATCH or references >= BATCH_REFERENCES:
                yield self._filed(batch, refused)
                batch, refused, references = [], [], 0
        if batch or refused:
            yield self._filed(batch, refused)

    @property
    def number_of_notes(self) -> int:
        """About how many notes there are; equal keys in adjacent rows are counted once."""
        return self._number

    def close(self) -> None:
        """Remove the temporary files."""
        self._sorted.close()

    def _filed(self, batch: list[LegacyNote], refused: list[Result]) -> list[Result]:
        now = self._now()
        results = refused + (self._write(batch, now) if batch else [])
        self.progress.notes += len(results)
        self.progress.counts.update(each.kind for each in results)
        return results

    def _write(self, batch: list[LegacyNote], now: datetime) -> list[Result]:
        def work(transaction: Connection) -> list[Result]:
            results = file_notes(transaction, batch, self._options.source, by=self._by, now=now)
            if self._options.is_dry:
                raise _DryRun(results)
            self._record(transaction, Counter(str(each.kind) for each in results))
            return results

        try:
            return self._catalog.write(work)
        except (SQLAlchemyError, CommitInDoubtError, CatalogClosedError) as error:
            raise ImportEndedError(str(error)) from error
        except _DryRun as dry:
            # A rolled-back note has no number.
            return [
                Result(each.kind, each.line, each.key, each.sentence)
                if each.kind in ("imported", "waiting")
                else each
                for each in dry.results
            ]

    def _now(self) -> datetime:
        """Return the time in the time zone of the server, in which documents are written."""
        return self._clock().astimezone()


def _key(rows: list[LegacyRow]) -> str:
    return rows[0].note
