"""Packs and image files of a backup: copied once for all backups of an installation, and compared while they are
copied.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from blake3 import blake3

from kinote.backup.manifest import Part, copied_pack, part_of, write_copied_pack
from kinote.backup.refusals import BackupError
from kinote.storage.digests import UnknownAlgorithmError, digesting
from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.local import FILES

_CHUNK = 1024 * 1024

#: The reason for leaving out an image without a file.
MISSING = "its file is missing"

#: Called with how much is done and how much there is, in any unit.
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image file that an index knows, with its size and digest."""

    sop_instance_uid: str
    store: int
    key: str
    offset: int
    size: int
    digest: str
    algorithm: str


@dataclass(slots=True)
class CopiedImages:
    """The number of image files now, their size, and the UIDs of those that were not copied, with the reason."""

    files: int = 0
    bytes: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


def images_of(index: Path) -> Iterator[Image]:
    """Return all images of an index that lie in a store, in the order of their keys."""
    with closing(sqlite3.connect(f"file:{quote(str(index))}?mode=ro", uri=True)) as connection:
        yield from (
            Image(*row)
            for row in connection.execute(
                "SELECT sop_instance_uid, store, file_key, dataset_offset, size, digest, digest_algorithm "
                "FROM instance WHERE file_key IS NOT NULL AND digest IS NOT NULL ORDER BY file_key"
            )
        )


def write_image_list(index: Path, target: Path) -> int:
    """Write key, size and digest of each image of an index, one JSON object a line. Return their number."""
    number = 0
    with gzip.open(target, "wt", encoding="utf-8", compresslevel=3) as file:
        for image in images_of(index):
            said = {
                "sop_instance_uid": image.sop_instance_uid,
                "store": image.store,
                "key": image.key,
                "size": image.size,
                "digest": image.digest,
                "algorithm": image.algorithm,
            }
            file.write(json.dumps(said, separators=(",", ":")) + "\n")
            number += 1
    _sync(target)
    return number


def copy_packs(source: Path, target: Path, report: Report) -> dict[str, Part]:
    """Copy the packs that have changed since they were last copied. Raises `BackupError` and OSError.

    A pack only grows. What is removed from it becomes a hole, in the copy as well.
    """
    make_folder(target)
    found = {}
    packs = sorted(source.glob("*.pack")) if source.is_dir() else []
    total = sum(pack.stat().st_size for pack in packs)
    done = 0
    for pack in packs:
        copy = target / pack.name
        state = pack.stat()
        now_is = [state.st_size, state.st_mtime_ns]
        was, parts = copied_pack(copy)
        if len(parts) != 1 or was != now_is or not copy.exists():
            parts = [_copy_pack(pack, copy, parts)]
            write_copied_pack(copy, now_is, parts)
        found[pack.name] = parts[0]
        done += state.st_size
        report(done, total)
    sync_folder(target)
    return found


def _copy_pack(pack: Path, copy: Path, before: Sequence[Part]) -> Part:
    """Copy a pack without its holes, and read it back. `before` is the possible state of the copy that it replaces."""
    temporary = copy.with_suffix(".part")
    if pack.open("rb").read(16) == b"SQLite format 3\0":
        temporary.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"file:{quote(str(pack))}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(temporary)) as writing,
        ):
            reading.backup(writing)
        _sync(temporary)
        expected = None
    else:
        expected = _copy_sparse(pack, temporary)
    part = part_of(temporary)
    if expected is not None and part.digest != expected:
        raise BackupError(
            f"{temporary} does not read back as it was written. See to the disk of the backups."
        )
    # A kill here leaves the old copy or the new one: earlier backups can be restored with either.
    write_copied_pack(copy, [], [*before, part])
    temporary.replace(copy)
    return part


def _copy_sparse(source: Path, target: Path) -> str:
    hasher = blake3()
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        size = os.fstat(reading.fileno()).st_size
        while reading.tell() < size:
            chunk = reading.read(min(_CHUNK, size - reading.tell()))
            if not chunk:
                break
            hasher.update(chunk)
            if chunk.count(0) == len(chunk):
                writing.seek(len(chunk), os.SEEK_CUR)
            else:
                _write(writing, chunk)
        writing.truncate(size)
        os.fsync(writing.fileno())
    return hasher.hexdigest()


def copy_images(
    index: Path, source: Path, target: Path, number: int, report: Report, *, ended: Callable[[], bool]
) -> CopiedImages:
    """Copy the image files that are not there yet, compare them with the index, and read them back.

    A file gets its name once it is complete, so a copy that was cut off goes on where it was. One that is missing or
    differs from its digest is left out, with the reason. Raises `BackupError` and OSError.
    """
    found = CopiedImages()
    for done, image in enumerate(images_of(index), start=1):
        if ended():
            raise BackupError("The server ended while the backup was made. The next one goes on from there.")
        if image.store == FILES:
            copy = target / image.key
            why = None if is_whole(copy, image) else copy_image(source / image.key, copy, image)
            if why is None:
                found.files += 1
                found.bytes += image.offset + image.size
            else:
                found.left_out.append((image.sop_instance_uid, why))
        if done % 50 == 0:
            report(done, number)
    return found


def is_whole(copy: Path, image: Image) -> bool:
    """Return whether a file has as many bytes as an image must have."""
    try:
        return copy.stat().st_size == image.offset + image.size
    except OSError:
        return False


def copy_image(source: Path, copy: Path, image: Image) -> str | None:
    """Copy one file and read it back; returns why it was not copied. Raises OSError if the copy cannot be written."""
    temporary = copy.with_suffix(".part")
    try:
        reading = source.open("rb", buffering=0)
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return f"its file cannot be read: {error.strerror}"
    with reading:
        make_folder(copy.parent)
        try:
            with temporary.open("wb", buffering=0) as writing:
                while True:
                    # An unreadable one does not stop the others.
                    try:
                        chunk = reading.read(_CHUNK)
                    except OSError as error:
                        return f"its file cannot be read: {error.strerror}"
                    if not chunk:
                        break
                    _write(writing, chunk)
                os.fdatasync(writing.fileno())
            why = differs(temporary, image)
            if why is not None:
                return why
            temporary.replace(copy)
        finally:
            temporary.unlink(missing_ok=True)
    return None


def differs(file: Path, image: Image) -> str | None:
    """Return how a file differs from what the index says of it; None if it does not."""
    try:
        digest = digesting(image.algorithm)
    except UnknownAlgorithmError as error:
        return str(error)
    size = 0
    with file.open("rb", buffering=0) as reading:
        os.posix_fadvise(reading.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        reading.seek(image.offset)
        while chunk := reading.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    if size != image.size:
        return f"it has {size} bytes instead of {image.size}"
    return None if digest.finish().root == image.digest else "its bytes are not those that were received"


def _write(file: BinaryIO, chunk: bytes) -> None:
    """Write all bytes to a file without a buffer."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def forget_images(target: Path, is_wanted: Callable[[str], bool]) -> int:
    """Remove the copies of image files that no backup needs any more. Return their number. Raises OSError."""
    number = 0
    for file in sorted(target.rglob("*.dcm")) if target.is_dir() else []:
        if not is_wanted(str(file.relative_to(target))):
            file.unlink()
            number += 1
    return number
