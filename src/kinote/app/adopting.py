"""Makes an index that of a data directory, whatever their marks are."""

from __future__ import annotations

import uuid
from dataclasses import replace

from kinote.app.application import ApplicationError, telling_of_folder, telling_of_index
from kinote.app.taking_over import catalog_options, open_directory
from kinote.backup.replaying import Replayed, replay
from kinote.catalog.sql.dialects import shown
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.journal.keeping import Journal, read_all
from kinote.holdings.opening.installation import Marks, Places, found_marks, give_marks
from kinote.settings.model import Settings
from kinote.storage.directory.marks import DirectoryMark
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import local_stores, store_roots
from kinote.telemetry.clock import system_clock


def adopt(settings: Settings) -> Replayed:
    """Make the index that of this data directory and store, whatever their marks are.

    For an administrator who has checked that it is the newest one. Acts that it lacks are replayed from the journal
    first; if that fails, the index is still not accepted. Raises as `open_application`.
    """
    with open_directory(settings) as directory:
        url = settings.database or directory.index_url
        places = Places(directory.path, store_roots(directory.path), shown(url))
        with telling_of_index(url), telling_of_folder(directory.path):
            marks = found_marks(places, url, damaged_as_none=True)
            local_stores(directory.path).close()
            journal = read_all(journal_folder(directory.path))
            installation = _installation_to_be(marks, journal.installations - {""})
            if journal.installations - {installation, ""}:
                raise ApplicationError(
                    f"The journal in {journal_folder(directory.path)} is that of another installation than the index "
                    f"{places.index}. Bring back the right index, or move the journal away first."
                )
            if marks.directory is None:
                marks = replace(marks, directory=DirectoryMark(installation, places.index))
            writer = Journal(journal_folder(directory.path), system_clock, lambda: installation)
            catalog = Catalog(catalog_options(url, settings), journal_writer=writer)
            try:
                # The acts that an older index lacked are in force again.
                found = replay(catalog, journal.entries, system_clock())
                give_marks(marks, places, catalog, system_clock())
            finally:
                catalog.close()
                writer.close()
    found.faults += journal.faults
    return found


def _installation_to_be(marks: Marks, of_journal: set[str]) -> str:
    """Return the id that an installation gets from its marks, in the order of `give_marks`; or from its journal."""
    by_marks = (marks.index and marks.index.installation) or (
        marks.directory and marks.directory.installation
    )
    return by_marks or (of_journal.pop() if len(of_journal) == 1 else uuid.uuid4().hex)
