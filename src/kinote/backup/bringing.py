"""Brings the files of a backup into a data directory: the index, packs and images, and the journal."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kinote.backup.manifest import OBJECTS, Manifest
from kinote.backup.objects import MISSING, copy_image, images_of, is_whole
from kinote.backup.refusals import BackupError
from kinote.catalog.schema.migrations import ForeignSchemaError, upgrade
from kinote.catalog.sql import dialects
from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.journal_files import journal_files
from kinote.storage.local import FILES, store_roots

#: Called with the current step, how much of it is done, and how much there is.
Tell = Callable[[str, int, int], None]


def copy_file(source: Path, target: Path) -> None:
    """Copy a file so that its name stands for the whole file or for none. Raises `OSError`."""
    temporary = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)


def bring_up_to_date(index: Path, backup: Path) -> None:
    """Upgrade the schema of a copied index. Raises `BackupError` if it is newer than this version."""
    engine = dialects.engine_for(f"sqlite:///{index}", pool_size=1)
    try:
        upgrade(engine)
    except ForeignSchemaError as error:
        raise BackupError(
            f"The index in {backup} was made by a newer version of Kinote. Restore it with that version."
        ) from error
    finally:
        engine.dispose()


def bring_objects(
    backup: Path, data: Path, index: Path, manifest: Manifest, remarks: list[str], tell: Tell
) -> None:
    """Copy packs and images that are missing or truncated. Everything else stays: it is not older.

    What a person should know is added to `remarks`. Raises `OSError`.
    """
    roots = store_roots(data.absolute())
    objects = backup.parent / OBJECTS
    make_folder(roots["packs"])
    for number, name in enumerate(sorted(manifest.packs), start=1):
        pack = roots["packs"] / name
        copy = objects / "packs" / name
        if pack.exists() and _is_cut_off(pack, copy):
            kept = pack.with_name(f"cut-off-{uuid.uuid4().hex}-{name}")
            pack.rename(kept)
            remarks.append(f"{pack} was shorter than its copy in the backup. It is kept as {kept.name}.")
        if not pack.exists():
            copy_file(copy, pack)
        tell("copying packs", number, len(manifest.packs))
    sync_folder(roots["packs"])
    if not manifest.has_images:
        return
    total = manifest.counts.get("instance", 0)
    for number, image in enumerate(images_of(index), start=1):
        target = roots["files"] / image.key
        if image.store == FILES and not is_whole(target, image):
            why = copy_image(objects / "files" / image.key, target, image)
            if why is not None and why != MISSING:
                remarks.append(f"{image.sop_instance_uid}: {why}")
        if number % 50 == 0:
            tell("copying images", number, total)


def _is_cut_off(pack: Path, copy: Path) -> bool:
    """Return whether a pack ends before bytes of its copy: a pack only grows, apart from reserved space."""
    size = pack.stat().st_size
    if pack.with_name(f"{pack.name}-wal").exists() or size >= copy.stat().st_size:
        return False
    with copy.open("rb") as file:
        file.seek(size)
        return any(chunk.count(0) < len(chunk) for chunk in iter(partial(file.read, 1024 * 1024), b""))


def bring_journal(source: Path, target: Path) -> None:
    """Copy a journal beside what is left of the installation's own, which is newer."""
    make_folder(target)
    for file in journal_files(source):
        there = target / file.name
        if not there.exists() or there.stat().st_size < file.stat().st_size:
            copy_file(file, there)
    sync_folder(target)
