"""The stores below a data directory: where one machine is enough."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kinote.storage.files import FileStore
from kinote.storage.packs.store import PackStore
from kinote.storage.quarantine import Quarantine
from kinote.storage.stores import Stores

#: The ids of both, in every index.
FILES, PACKS = 1, 2

#: By the kinds that the index has them under.
KINDS: Mapping[str, int] = {"files": FILES, "packs": PACKS}

#: Their folders, by their kinds.
_FOLDERS: Mapping[str, str] = {"files": "objects", "packs": "packs"}


def store_roots(directory: Path) -> Mapping[str, Path]:
    """The root of each store, by its kind."""
    return {kind: directory / folder for kind, folder in _FOLDERS.items()}


def left_arriving(directory: Path) -> list[Path]:
    """What a Kinote from before 0.2 was receiving when it ended, in a folder that there is no more."""
    folder = directory / "incoming"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def local_stores(directory: Path, mark: str = "") -> Stores:
    """Large objects as files of their own, small ones in packs. Folders are made where they are missing.

    What comes in has the `mark` of this process, if it is given one (`presence`).
    """
    roots = store_roots(directory)
    return Stores(
        FileStore(roots["files"], FILES, mark),
        PackStore(roots["packs"], PACKS, mark),
        Quarantine(directory / "quarantine"),
    )
