"""The manifest of a backup: what belongs to it, with digests. It is written last, so a backup that has one is whole.

    manifest.json      this
    index.sqlite       the index (`copied_index`)
    journal/           the journal of rare acts
    images.jsonl.gz    key, size and digest of each image file that the index knows

Packs, and image files if they are included, lie beside all backups of the installation, in `objects`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from kinote.backup.refusals import BackupError
from kinote.storage.folders import sync_folder

#: The format of backups that this version writes and reads.
FORMAT = 1

MANIFEST, INDEX, JOURNAL, IMAGES, OBJECTS = (
    "manifest.json",
    "index.sqlite",
    "journal",
    "images.jsonl.gz",
    "objects",
)

_CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a backup: its size in bytes, and the BLAKE3 of its content."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is. `parts` are its files by their path in its folder, `packs` those in `objects/packs`.

    `counts` are rows in the index by table. `schema` is the revision of the index's schema.
    """

    format: int
    version: str
    installation: str
    schema: str
    database: str
    begun_at: str
    ended_at: str
    has_images: bool
    parts: dict[str, Part]
    packs: dict[str, Part]
    counts: dict[str, int]
    image_bytes: int
    log_bytes: int


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a backup, durably."""
    said = asdict(manifest)
    content = {"digest": _digest_of(said), **said}
    temporary = folder / f"{MANIFEST}.part"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / MANIFEST)
    sync_folder(folder)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup. Raises `BackupError`."""
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupError(
            f"{folder} has no {MANIFEST}: it is no backup, or one that was never completed. Choose another."
        ) from None
    except (OSError, ValueError) as error:
        raise BackupError(f"{path} is damaged ({error}). Choose another backup.") from error
    if isinstance(said, dict) and isinstance(said.get("format"), int) and said["format"] > FORMAT:
        raise BackupError(
            f"{folder} was made by a newer version of Kinote ({said.get('version')}). Restore it with that version."
        )
    try:
        if said.pop("digest") != _digest_of(said):
            raise ValueError("its digest is another")
        for name in ("parts", "packs"):
            said[name] = {path: Part(**part) for path, part in said[name].items()}
        return Manifest(**said)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{path} is damaged ({error}). Choose another backup.") from error


def part_of(path: Path) -> Part:
    """Return size and digest of a file, read from the disk."""
    hasher = blake3()
    size = 0
    with path.open("rb", buffering=0) as file:
        # What was just written is read from the disk, not from memory, as far as the system lets us.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    return Part(size, hasher.hexdigest())


def verify(
    folder: Path, manifest: Manifest, report: Callable[[int, int], None] = lambda done, of: None
) -> None:
    """Read everything of a backup but its image files, and compare it. Raises `BackupError`."""
    wanted = {folder / path: part for path, part in manifest.parts.items()}
    wanted |= {folder.parent / OBJECTS / "packs" / name: part for name, part in manifest.packs.items()}
    total = sum(part.size for part in wanted.values())
    done = 0
    for path, part in wanted.items():
        try:
            found = part_of(path)
        except FileNotFoundError:
            raise BackupError(f"The backup is incomplete: {path} is missing. Choose another.") from None
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}.") from error
        # A pack only grows, and a later backup may have brought it up to date.
        if found != part and found not in copied_pack(path)[1]:
            raise DamagedPartError(path)
        done += found.size
        report(done, max(total, done))


class DamagedPartError(BackupError):
    """A file of a backup is not what was written: `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"The backup is damaged: {path} is not what was written. Choose another.")
        self.path = path


def copied_pack(copy: Path) -> tuple[list[int], list[Part]]:
    """Return what a copied pack was when it was copied last: size and time of the pack, and what its copy may be.

    While it is copied again, size and time are not known, and its copy may be the old one or the new one.
    """
    try:
        said = json.loads(_beside(copy).read_text(encoding="utf-8"))
        return list(said["of"]), [Part(each["size"], each["digest"]) for each in said.get("may_be", [said])]
    except (OSError, ValueError, KeyError, TypeError):
        return [], []


def write_copied_pack(copy: Path, of: Sequence[int], may_be: Sequence[Part]) -> None:
    """Write what a copied pack is, or may be, durably. Raises OSError."""
    temporary = copy.with_name(f"{copy.name}.json.part")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"of": list(of), "may_be": [asdict(each) for each in may_be]}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(_beside(copy))
    sync_folder(copy.parent)


def forget_copied_pack(copy: Path) -> None:
    """Forget what a copied pack is, so that the next backup copies it again."""
    _beside(copy).unlink(missing_ok=True)


def _beside(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.json")


def _digest_of(said: dict[str, Any]) -> str:
    return blake3(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
