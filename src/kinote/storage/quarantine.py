"""The quarantine: bytes that recovery has found and no row knows, set aside for a person to look at.

Nothing here is ever removed by Kinote (law 8). Each file keeps its name; beside it stands `NAME.json` with where it
was, why and when it was set aside. To take a file back: `kinote import FILE`, then remove it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from kinote.storage.folders import make_folder, sync_folder

#: Seconds for which a count of the files is good: it is asked for with every look at the server's health.
_COUNT_LASTS = 10.0

_RECORD = ".json"


class Quarantine:
    """The folder of files that were set aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._counting = threading.Lock()
        self._counted: tuple[float, int] | None = None

    def set_aside(self, files: Iterable[Path], *, why: str, now: datetime) -> int:
        """Move files here, durably, each with its record; gives their number.

        A kill in between leaves a record without a file, or the file where it was: the next recovery goes on.
        """
        moved: set[Path] = set()
        number = 0
        for file in files:
            if not moved:
                make_folder(self.folder)
            target = self._free(file.name)
            record = {
                "was_at": str(file),
                "why": why,
                "when": now.isoformat(timespec="seconds"),
                "bytes": file.stat().st_size,
            }
            _write_record(target.with_name(target.name + _RECORD), record)
            file.rename(target)
            moved.add(file.parent)
            number += 1
        if moved:
            # First where they are now: after a power cut in between they are in both folders, not in none.
            sync_folder(self.folder)
            for folder in moved:
                sync_folder(folder)
            self._counted = None
        return number

    def count(self) -> int:
        """How many files lie here; looked at anew every few seconds at most."""
        with self._counting:
            if self._counted is None or time.monotonic() - self._counted[0] > _COUNT_LASTS:
                self._counted = (time.monotonic(), self._count())
            return self._counted[1]

    def _count(self) -> int:
        try:
            with os.scandir(self.folder) as entries:
                return sum(not entry.name.endswith(_RECORD) for entry in entries)
        except FileNotFoundError:
            return 0

    def _free(self, name: str) -> Path:
        target = self.folder / name
        number = 1
        while target.exists():
            number += 1
            target = self.folder / f"{name}.{number}"
        return target


def _write_record(path: Path, record: dict[str, object]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
