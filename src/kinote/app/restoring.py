"""Restores a backup into the data directory of the settings, and tests a restore in a temporary folder."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kinote.app.application import telling_of_folder
from kinote.backup.bringing import Tell
from kinote.backup.manifest import read_manifest
from kinote.backup.refusals import BackupError
from kinote.backup.restoring import Restored, chosen_backup, rebuild, restore
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.holdings.journal.comparing import compare
from kinote.holdings.law_check import check_after
from kinote.holdings.opening.in_place_stores import is_in_place_folder, reach_in_place
from kinote.holdings.scrubbing.scrub import Scrubbed, scrub_after
from kinote.settings.model import Settings
from kinote.storage.directory.data_directory import DataDirectory, is_data_directory
from kinote.storage.journal_files import journal_folder
from kinote.storage.local import KINDS, local_stores
from kinote.telemetry.clock import system_clock


def restore_backup(settings: Settings, path: Path, tell: Tell) -> Restored:
    """Restore a backup, or the newest below a folder, into the data directory, which nobody else may have open.

    Raises `BackupError`, `ApplicationError` and `DataDirectoryInUseError`.
    """
    backup = chosen_backup(path)
    # A backup refused because of its manifest is refused before anything is created.
    read_manifest(backup)
    with telling_of_folder(settings.data):
        directory = DataDirectory(settings.data)
    try:
        return restore(backup, settings.data, settings.database, system_clock, tell)
    finally:
        directory.close()


def rebuild_index(settings: Settings, tell: Tell) -> Restored:
    """Build an index from the files of the data directory, which nobody else may have open. Raises as above."""
    if not is_data_directory(settings.data):
        raise BackupError(
            f"{settings.data.absolute()} is no data directory of Kinote. Choose another with --data."
        )
    with telling_of_folder(settings.data):
        directory = DataDirectory(settings.data)
    try:
        return rebuild(settings.data, settings.database, system_clock, tell)
    finally:
        directory.close()


def drill(path: Path, scratch: Path | None, tell: Tell) -> dict[str, Any]:
    """Restore a backup into a new folder, check everything in it, and remove the folder. Return a report.

    The folder is created below `scratch`, which must have room for it. Raises `BackupError`.
    """
    begun = time.monotonic()
    backup = chosen_backup(path)
    if scratch is not None and not scratch.is_dir():
        raise BackupError(f"{scratch} is no folder. Name one for the drill that has room.")
    data = Path(tempfile.mkdtemp(prefix="kinote-drill-", dir=scratch))
    try:
        found = restore(backup, data, "", system_clock, tell)
        return {**_look_at(data, found, tell), "seconds": round(time.monotonic() - begun, 1)}
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _look_at(data: Path, found: Restored, tell: Tell) -> dict[str, Any]:
    with ExitStack() as closing:
        catalog = Catalog(CatalogOptions(f"sqlite:///{data / 'kinote.sqlite'}"))
        closing.callback(catalog.close)
        stores = local_stores(data)
        closing.callback(stores.close)
        reach_in_place(stores, catalog)

        def there(store: int) -> bool:
            folder = is_in_place_folder(stores, store)
            return folder.is_there() if folder is not None else store in KINDS.values()

        scrubbed = Scrubbed()
        position: int | None = 0
        while position is not None:
            part, position = scrub_after(catalog, stores, system_clock, position, store_is_there=there)
            scrubbed.add(part)
            tell("reading and comparing", scrubbed.objects, found.counts.get("instance", 0))
        breaches = []
        position = 0
        while position is not None:
            _, some, position = check_after(catalog, stores, position, there)
            breaches += some
        differences = compare(catalog, journal_folder(data))
    problems = [f"law {each.law}: {each.subject}: {each.sentence}" for each in breaches]
    problems += [f"{each.subject}: {each.sentence}" for each in differences]
    problems += [f"{scrubbed.damaged} objects are damaged."] if scrubbed.damaged else []
    problems += [f"{scrubbed.unreadable} objects could not be read."] if scrubbed.unreadable else []
    return {
        "restored": found.as_json(),
        "objects_read": scrubbed.objects,
        "bytes_read": scrubbed.bytes,
        "problems": problems,
        "is_good": not problems,
    }
