"""The stores below a data directory, for a single machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kinote.storage.files import FileStore
from kinote.storage.packs.store import PackStore
from kinote.storage.quarantine import Quarantine
from kinote.storage.stores import Stores

#: The ids of both stores, the same in every index.
FILES, PACKS = 1, 2

#: The kinds of the stores in the index.
KINDS: Mapping[str, int] = {"files": FILES, "packs": PACKS}

#: The folders of the stores, by kind.
_FOLDERS: Mapping[str, str] = {"files": "objects", "packs": "packs"}


def store_roots(directory: Path) -> Mapping[str, Path]:
    """Return the root of each store, by kind."""
    return {kind: directory / folder for kind, folder in _FOLDERS.items()}


def left_arriving(directory: Path) -> list[Path]:
    """Return the files that a version before 0.2 was receiving when it ended, in a folder that is not used any more."""
    folder = directory / "incoming"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def local_stores(directory: Path, mark: str = "") -> Stores:
    """Open the stores: large objects as single files, small ones in packs. Creates missing folders.

    Received objects get the `mark` of this process, if there is one (`presence`).
    """
    roots = store_roots(directory)
    return Stores(
        FileStore(roots["files"], FILES, mark),
        PackStore(roots["packs"], PACKS, mark),
        Quarantine(directory / "quarantine"),
    )
