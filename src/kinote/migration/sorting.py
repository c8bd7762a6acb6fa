"""Brings the rows of each note together, whatever their order and number, in bounded memory.

Rows are collected in memory, sorted and written to temporary files, which are merged at the end (external sorting).
Only the rows of one note have to fit into memory.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from itertools import groupby, islice
from operator import itemgetter
from typing import IO

from kinote.migration.rows import LegacyRow
from kinote.notes.acts.checks import MAX_REFERENCES

#: The number of rows sorted in memory at once.
RUN = 50_000

_Sortable = tuple[str, int, str]

_key = itemgetter(0)


class SortedRows:
    """The rows of a table by note. Closing it removes the temporary files."""

    def __init__(self, run: int = RUN) -> None:
        self._run = run
        self._rows: list[_Sortable] = []
        self._files: list[IO[str]] = []

    def add(self, row: LegacyRow) -> None:
        """Add a row that has the key of its note."""
        self._rows.append((row.note, row.line, json.dumps(astuple(row), ensure_ascii=False)))
        if len(self._rows) >= self._run:
            self._write()

    def __iter__(self) -> Iterator[list[LegacyRow]]:
        """Yield the rows of each note, by line; the notes by key. If a note has too many rows, enough to notice
        that.
        """
        runs: list[Iterable[_Sortable]] = [_read(file) for file in self._files]
        if self._rows:
            self._rows.sort()
            runs.append(self._rows)
        for _, rows in groupby(heapq.merge(*runs), key=_key):
            yield [LegacyRow(*json.loads(written)) for _, _, written in islice(rows, MAX_REFERENCES + 1)]

    def close(self) -> None:
        for file in self._files:
            file.close()
        self._files.clear()
        self._rows.clear()

    def _write(self) -> None:
        self._rows.sort()
        file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - `close` closes it
        self._files.append(file)
        file.writelines(f"{written}\n" for _, _, written in self._rows)
        self._rows.clear()


def _read(file: IO[str]) -> Iterator[_Sortable]:
    file.seek(0)
    for written in file:
        line, note = json.loads(written)[:2]
        yield note, line, written
