"""Memory for files: made warm before measurements, given back between them, or emptied on purpose.

A guest's memory that was never touched has to be fetched from its host first: writing 512 KB to a new file then
takes some ten times as long (1,650 and 150 microseconds on the machine this was found on). Pages that are given
back are taken again first; so what a round has written is dropped from memory, while its files stay: deleting
many files would slow down the making of new ones for minutes.
"""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK = bytes(range(256)) * 4096


def warm(folder: Path, size: int) -> None:
    """Write and read back a file of so many bytes, half of the available memory at most, and give its pages back.

    The file stays in the folder.
    """
    size = min(size, _available() // 2)
    path = folder / "warm"
    with path.open("wb", buffering=0) as file:
        for _ in range(0, size, len(_BLOCK)):
            file.write(_BLOCK)
    recall(path)
    forget(path)


def recall(path: Path) -> None:
    """Read a file, so that it is in memory."""
    with path.open("rb", buffering=0) as file:
        while file.read(len(_BLOCK)):
            pass


def forget(path: Path) -> None:
    """Write out a file, or all files in a folder, and drop them from memory; they stay on the disk."""
    os.sync()
    for each in path.rglob("*") if path.is_dir() else [path]:
        if each.is_file():
            descriptor = os.open(each, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
