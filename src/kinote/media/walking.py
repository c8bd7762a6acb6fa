"""Walks through folders of millions of files in an order, so that a walk that was interrupted goes on where it ended.

The files of a folder come before its folders, both by name. Memory is bounded by the largest single folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file by its path relative to the root, with `/`; or a folder that cannot be read, with the reason."""

    path: str
    unreadable: str = ""


def files_below(root: Path, after: str = "") -> Iterator[FoundFile]:
    """Yield the files below a folder that come after one of them. Links are followed, and no folder is entered twice.

    Folders that lie wholly before `after` are not read.
    """
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[str, list[str]]] = [("", after.split("/") if after else [])]
    while waiting:
        folder, bound = waiting.pop()
        try:
            files, folders = _entries(root, folder, seen)
        except OSError as error:
            yield FoundFile(folder, f"The folder cannot be read: {error.strerror or error}.")
            continue
        if len(bound) > 1:
            # The last file lies in one of the folders.
            files = []
            folders = [name for name in folders if name >= bound[0]]
        elif bound:
            files = [name for name in files if name > bound[0]]
        for name in files:
            yield FoundFile(f"{folder}{name}")
        for name in reversed(folders):
            inner = bound[1:] if len(bound) > 1 and name == bound[0] else []
            waiting.append((f"{folder}{name}/", inner))


def number_of_files(root: Path) -> int:
    """Count the files below a folder, without reading any."""
    return sum(1 for found in files_below(root) if not found.unreadable)


def _entries(root: Path, folder: str, seen: set[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in a folder; none if it was entered before. Raises OSError."""
    path = root / folder
    status = path.stat()
    if (status.st_dev, status.st_ino) in seen:
        return [], []
    seen.add((status.st_dev, status.st_ino))
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            (folders if _is_folder(entry) else files).append(entry.name)
    files.sort()
    folders.sort()
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
