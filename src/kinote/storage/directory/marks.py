"""The marks of a data directory and of its stores, which tell their installation.

Each is a small file beside the bytes. A store has its own mark, since it may be on a volume that is not mounted. So
an empty folder is never mistaken for a store without files.

    installation.json   in the data directory
    store.json          in the store's root
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinote.storage.folders import sync_folder

_OF_DIRECTORY = "installation.json"
_OF_STORE = "store.json"

#: The name of the opening of an index that was never opened with its data directory.
NEVER = ""


class UnreadableMarkError(RuntimeError):
    """A mark exists but cannot be read. The message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class DirectoryMark:
    """The mark of a data directory.

    `index` is the last address of its index, without password. `openings` identifies the last time that both were
    opened or closed. There are two while the newer one (the first) is being written into the index. `NEVER` among
    them stands for an index into which none has been written yet.
    """

    installation: str
    index: str
    openings: tuple[str, ...] = (NEVER,)


@dataclass(frozen=True, slots=True)
class StoreMark:
    """The mark of a store: its own id, and that of its installation."""

    store: str
    installation: str


def directory_mark(directory: Path) -> DirectoryMark | None:
    """Return the mark of a data directory; None if it has none. Raises `UnreadableMarkError`."""
    found = _read(directory / _OF_DIRECTORY, ("installation", "index"))
    if found is None:
        return None
    return DirectoryMark(
        found["installation"], found["index"], tuple(map(str, found.get("openings", [NEVER])))
    )


def store_mark(root: Path) -> StoreMark | None:
    """Return the mark of the store below a folder; None if it has none. Raises `UnreadableMarkError`."""
    found = _read(root / _OF_STORE, ("store", "installation"))
    return StoreMark(found["store"], found["installation"]) if found else None


def is_marked(directory: Path) -> bool:
    """Return whether a data directory has a mark, whatever its contents."""
    return (directory / _OF_DIRECTORY).is_file()


def has_mark(root: Path) -> bool:
    """Return whether the store below a folder can be reached: its mark exists, whatever its contents."""
    return (root / _OF_STORE).is_file()


def holds_bytes(root: Path) -> bool:
    """Return whether the store below a folder has any file besides its mark."""
    return any(path.name != _OF_STORE and path.is_file() for path in root.rglob("*"))


def mark_directory(directory: Path, mark: DirectoryMark) -> None:
    """Write the mark of a data directory, durably."""
    _write(directory / _OF_DIRECTORY, asdict(mark))


def mark_store(root: Path, mark: StoreMark) -> None:
    """Write the mark of the store below a folder, durably."""
    _write(root / _OF_STORE, asdict(mark))


def _read(path: Path, wanted: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in wanted):
        raise UnreadableMarkError(
            f"{path} is damaged, so it cannot be told which index its files belong to. Bring back a copy of that "
            "file, or let `kinote doctor --adopt` write a new one, once the index is surely the right one."
        )
    return found


def _write(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
