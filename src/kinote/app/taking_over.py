"""Takes over a data directory and its index: recovery sets aside what a crash left, and marks are written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from kinote.app.application import ApplicationError, Purpose, telling_of_folder
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.opening.in_place_stores import is_in_place_folder
from kinote.holdings.opening.installation import Marks, NotTogetherError, Places, found_marks, open_anew
from kinote.holdings.opening.recovery import Recovered, recover
from kinote.settings.model import Settings
from kinote.storage.directory.data_directory import DataDirectory, is_data_directory
from kinote.storage.directory.marks import UnreadableMarkError, has_mark
from kinote.storage.directory.presence import Presence
from kinote.storage.local import left_arriving
from kinote.storage.stores import Stores

log = logging.getLogger(__name__)


def catalog_options(url: str, settings: Settings) -> CatalogOptions:
    """Return the options of the index at an address."""
    # SQLite connections are our own and cost nobody else anything.
    return (
        CatalogOptions.within(url, settings.database_connections)
        if settings.database
        else CatalogOptions(url)
    )


def require_data_directory(path: Path) -> None:
    """Raise `ApplicationError` if a folder is no data directory."""
    with telling_of_folder(path):
        if not is_data_directory(path):
            raise ApplicationError(
                f"{path.absolute()} is no data directory of Kinote, and nothing was made there. "
                "Choose another with --data."
            )


@contextmanager
def open_directory(settings: Settings, *, unless_served: bool = False) -> Iterator[DataDirectory]:
    """Open the data directory of the settings while the block lasts."""
    with telling_of_folder(settings.data):
        directory = DataDirectory(settings.data, shared=bool(settings.database), unless_served=unless_served)
    try:
        yield directory
    finally:
        directory.close()


def is_there(roots: Mapping[int, Path], stores: Stores, store: int) -> bool:
    """Return whether the folder of a store is there, with its mark."""
    if (folder := is_in_place_folder(stores, store)) is not None:
        return folder.is_there()
    return store in roots and has_mark(roots[store])


def recover_left(
    presence: Presence, catalog: Catalog, stores: Stores, places: Places, now: datetime
) -> Recovered:
    """Set aside what processes that have ended left behind, whatever else is running."""
    with presence.recovering() as may_recover:
        if may_recover:
            left = left_arriving(places.directory)
            return recover(catalog, stores, now, left=left, others=presence.others)
    log.warning("Start-up recovery is left to the next start: another server is still busy with its own")
    return Recovered()


def take_over(
    recovered: Recovered, purpose: Purpose, marks: Marks, places: Places, catalog: Catalog, now: datetime
) -> bool:
    """Write the marks, unless another process has the directory. Return whether the end must be marked too."""
    unknown = recovered.unknown
    made_before_marks = marks.directory is None and marks.index is not None and marks.index.has_instances
    if made_before_marks and unknown:
        raise NotTogetherError(
            f"The index {places.index} does not know {unknown} objects in {places.directory}, more than a crash can "
            "leave. It is not the newest index of this data directory, or it is that of another one. Bring back the "
            "right one. If this is what is left, run `kinote doctor --adopt` first."
        )
    # If recovery has doubts, the right index may still be brought back, and must not become an older one.
    if unknown or (made_before_marks and purpose != "serve"):
        return False
    open_anew(marks, places, catalog, now)
    return True


def mark_end(places: Places, url: str, catalog: Catalog, now: datetime) -> None:
    """Mark the end, so that a copy of the index taken before is recognized as older."""
    try:
        open_anew(found_marks(places, url), places, catalog, now)
    except (OSError, SQLAlchemyError, UnreadableMarkError):
        log.warning("The data directory and its index could not be marked as closed", exc_info=True)
