"""Makes a backup while the server runs, and keeps the newest ones.

The index is copied first, then what it refers to. The stores may have later objects as well, but no object that the
copy knows is missing. The journal is copied after the index, so it contains at least everything that the copy knows.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from kinote import __version__
from kinote.backup.copied_index import LOG_LIMIT, copy_index
from kinote.backup.manifest import (
    FORMAT,
    IMAGES,
    INDEX,
    JOURNAL,
    MANIFEST,
    OBJECTS,
    DamagedPartError,
    Manifest,
    forget_copied_pack,
    part_of,
    verify,
    write_manifest,
)
from kinote.backup.objects import copy_images, copy_packs, forget_images, write_image_list
from kinote.backup.refusals import BackupError
from kinote.catalog.transactions.catalog import Catalog
from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.journal_files import journal_files

#: Called with the current step, how much of it is done, and how much there is.
Tell = Callable[[str, int, int], None]

#: The tables whose rows a manifest counts.
_COUNTED = ("patient", "study", "series", "instance", "note", "note_version", "withdrawal", "purge", "change")

#: The name of a backup's folder. Anything else beside it is left alone.
_NAME = "%Y%m%dT%H%M%S.%f"
#: The file beside all backups that names them in the order in which they were made.
_ORDER = "order"

_IS_ONE = re.compile(r"\d{8}T\d{6}\.\d{6}")


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a backup: an open index, and the folders of its data directory."""

    catalog: Catalog
    url: str
    installation: str
    images: Path
    packs: Path
    journal: Path


@dataclass(frozen=True, slots=True)
class Made:
    """A completed backup: its folder, and the images that are missing in it, with the reason."""

    folder: Path
    manifest: Manifest
    left_out: tuple[tuple[str, str], ...]

    @property
    def bytes(self) -> int:
        parts = (*self.manifest.parts.values(), *self.manifest.packs.values())
        return sum(part.size for part in parts) + self.manifest.image_bytes


def make_backup(
    source: Source,
    location: Path,
    clock: Callable[[], datetime],
    tell: Tell,
    *,
    has_images: bool,
    ended: Callable[[], bool] = lambda: False,
    log_limit: int = LOG_LIMIT,
) -> Made:
    """Make a backup in a new folder below a location, and read it back. Raises `BackupError`."""
    begun = clock()
    try:
        _claim(location, source.installation)
        folder = location / f"{begun:{_NAME}}"
        folder.mkdir(mode=0o700)
        with ExitStack() as failing:
            failing.callback(shutil.rmtree, folder, ignore_errors=True)
            made = _make(source, folder, begun, clock, tell, has_images, ended, log_limit)
            failing.pop_all()
        return made
    except OSError as error:
        raise BackupError(
            f"The backup could not be written to {location}: {error.strerror or error}. Nothing of the source has "
            "changed. See that there is room, and make it again: what was copied of packs and images is used again."
        ) from error


def _make(
    source: Source,
    folder: Path,
    begun: datetime,
    clock: Callable[[], datetime],
    tell: Tell,
    has_images: bool,
    ended: Callable[[], bool],
    log_limit: int,
) -> Made:
    def told(what: str) -> Callable[[int, int], None]:
        def report(done: int, total: int) -> None:
            if ended():
                raise BackupError(
                    "The server ended while the backup was made. The next one goes on from there."
                )
            tell(what, done, total)

        return report

    index = folder / INDEX
    copied = copy_index(source.catalog, source.url, index, told("copying the index"), log_limit=log_limit)
    (folder / JOURNAL).mkdir()
    for file in journal_files(source.journal):
        _copy_file(file, folder / JOURNAL / file.name)
    objects = folder.parent / OBJECTS
    _make_private(objects)
    packs = copy_packs(source.packs, objects / "packs", told("copying packs"))
    number = write_image_list(index, folder / IMAGES)
    left_out: list[tuple[str, str]] = []
    image_bytes = 0
    if has_images:
        images = copy_images(
            index, source.images, objects / "files", number, told("copying images"), ended=ended
        )
        left_out, image_bytes = images.left_out, images.bytes
    files = [index, folder / IMAGES, *sorted((folder / JOURNAL).iterdir())]
    schema, counts = _look_into(index)
    manifest = Manifest(
        FORMAT,
        __version__,
        source.installation,
        schema,
        "sqlite" if source.catalog.is_sqlite else "postgresql",
        begun.isoformat(),
        clock().isoformat(),
        has_images,
        {str(file.relative_to(folder)): part_of(file) for file in files},
        packs,
        counts,
        image_bytes,
        copied.log_bytes,
    )
    try:
        verify(folder, manifest, told("reading back"))
    except DamagedPartError as error:
        # A pack that differs from what was written is copied again by the next backup.
        forget_copied_pack(error.path)
        raise
    sync_folder(folder / JOURNAL)
    _append_to_order(folder)
    write_manifest(folder, manifest)
    sync_folder(folder.parent)
    return Made(folder, manifest, tuple(left_out))


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _look_into(index: Path) -> tuple[str, dict[str, int]]:
    """Check the pages of a copied index, and count its rows. Raises `BackupError`."""
    with closing(sqlite3.connect(f"file:{quote(str(index))}?mode=ro", uri=True)) as connection:
        ((sound,), *_) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if sound != "ok":
            raise BackupError(
                f"The copy of the index is damaged ({sound}). The index itself may be: see `kinote doctor`."
            )
        ((schema,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - names of ours
            for table in _COUNTED
        }
    return schema, counts


def copy_journal(source: Source, location: Path) -> None:
    """Copy the journal beside all backups, so that it survives the loss of the data directory. Raises OSError.

    Files only grow, so files of the same size are equal.
    """
    target = location / JOURNAL
    for file in journal_files(source.journal):
        copy = target / file.name
        if not copy.exists() or copy.stat().st_size < file.stat().st_size:
            _claim(location, source.installation)
            _make_private(target)
            temporary = copy.with_suffix(".part")
            _copy_file(file, temporary)
            temporary.replace(copy)
            sync_folder(target)


def _make_private(folder: Path) -> None:
    """Create a folder that nobody else can read: a backup contains all data.

    A server has many threads, so the folder protects what is written there, and not the umask.
    """
    make_folder(folder)
    folder.chmod(0o700)


def _claim(location: Path, installation: str) -> None:
    """Mark a folder as the place of an installation's backups. Raises `BackupError` if it belongs to another."""
    if not location.is_dir():
        _make_private(location)
    mark = location / "installation"
    try:
        whose = mark.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        mark.write_text(installation + "\n", encoding="utf-8")
        return
    if whose != installation:
        raise BackupError(
            f"{location} has the backups of another installation. Choose a folder of its own for this one."
        )


def backups_in(location: Path) -> list[Path]:
    """Return the folders of the complete backups below a location, the oldest first.

    They have the order in which they were made, whatever the clock said then.
    """
    if not location.is_dir():
        return []
    order = {name: position for position, name in enumerate(_order(location))}
    return sorted(
        (folder for folder in location.iterdir() if (folder / MANIFEST).is_file()),
        key=lambda folder: (order.get(folder.name, -1), folder.name),
    )


def _order(location: Path) -> list[str]:
    try:
        return (location / _ORDER).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def _append_to_order(folder: Path) -> None:
    """Note that a backup is the newest."""
    with (folder.parent / _ORDER).open("a", encoding="utf-8") as file:
        file.write(f"{folder.name}\n")
        file.flush()
        os.fsync(file.fileno())


def keep_newest(location: Path, number: int) -> list[Path]:
    """Remove all but the newest backups, incomplete ones, and images that no backup needs.

    Returns the removed folders. Raises OSError.
    """
    there = backups_in(location)
    kept = there[-number:]
    newest = kept[-1].name if kept else ""
    gone = [
        folder
        for folder in sorted(location.iterdir())
        if _IS_ONE.fullmatch(folder.name) and folder not in kept and (folder in there or folder.name < newest)
    ]
    for folder in gone:
        shutil.rmtree(folder)
    with ExitStack() as closing_all:
        indexes = [
            closing_all.enter_context(
                closing(sqlite3.connect(f"file:{quote(str(folder / INDEX))}?mode=ro", uri=True))
            )
            for folder in kept
        ]

        def is_wanted(key: str) -> bool:
            query = "SELECT 1 FROM instance WHERE file_key = ? AND file_key IS NOT NULL LIMIT 1"
            return any(index.execute(query, (key,)).fetchone() for index in indexes)

        if gone:
            forget_images(location / OBJECTS / "files", is_wanted)
    return gone
