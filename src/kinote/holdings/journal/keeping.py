"""The files of the journal: the entries of transactions are written, all files are read, and those left are closed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any

from sqlalchemy import select

from kinote.catalog.journal import Entry, JournalUnavailableError
from kinote.catalog.schema.tables import journal_entry
from kinote.catalog.sql import statements
from kinote.catalog.transactions.catalog import Catalog
from kinote.storage.journal_files import JournalError, JournalFiles, ReadFile, end_left_files, read_journal

log = logging.getLogger(__name__)


class Journal:
    """Keeps the entries of transactions in the files of this process."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], installation: Callable[[], str]) -> None:
        self._files = JournalFiles(folder, clock, installation)

    def write(self, entries: Sequence[Entry]) -> None:
        """Make the entries durable. Raises `JournalUnavailableError`; the caller then takes the entries back."""
        try:
            self._files.append([{"id": each.id, **each.said} for each in entries])
        except JournalError as error:
            raise JournalUnavailableError.because(error.strerror or "") from error

    def take_back(self, ids: Sequence[str]) -> None:
        """Record that the transaction of these entries was rolled back, as far as that can be written."""
        try:
            self._files.append([{"taken back": list(ids)}], durably=False)
        except JournalError:
            log.warning("The journal could not be told of a transaction that was rolled back", exc_info=True)

    def close(self) -> None:
        self._files.close()


@dataclass(slots=True)
class Read:
    """The content of all files of a journal together."""

    #: The entries that were not taken back, in the order in which they were written.
    entries: list[dict[str, Any]] = field(default_factory=list)
    installations: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def read_all(folder: Path) -> Read:
    """Read a journal. An entry that is in several files counts once. Raises OSError.

    The entries of one file keep their order, even if the clock was set back. Several servers write at the same time,
    each to its own file. Their files are merged by time.
    """
    found = Read()
    taken_back: set[str] = set()
    by_id: dict[str, dict[str, Any]] = {}
    of_files: list[list[dict[str, Any]]] = []
    for file in read_journal(folder):
        of_file: list[dict[str, Any]] = []
        of_files.append(of_file)
        found.faults += file.faults
        if file.installation:
            found.installations.add(file.installation)
        for each in file.records:
            if "taken back" in each:
                taken_back.update(each["taken back"])
            elif "id" in each and each["id"] not in by_id:
                by_id[each["id"]] = each
                of_file.append(each)
    merged = merge(*of_files, key=lambda each: str(each.get("at", "")))
    found.entries = [each for each in merged if each["id"] not in taken_back]
    return found


def end_left(folder: Path, catalog: Catalog, installation: str) -> int:
    """Close the files of processes that ended without doing so, once the index is known to be the right one.

    An entry that the index does not know was not committed. Returns the number of files. Raises OSError.
    """

    def unknown(read: ReadFile) -> Sequence[str]:
        ids = [each["id"] for each in read.records if "id" in each]
        with catalog.read() as connection:
            known = {row.id for row in known_entries(connection, ids)}
        return [each for each in ids if each not in known]

    return end_left_files(folder, installation, unknown)


#: Those of some ids that the index knows.
known_entries = statements.LookUp(select(journal_entry.c.id), journal_entry.c.id)
