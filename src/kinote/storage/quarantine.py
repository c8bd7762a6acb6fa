"""The quarantine: bytes without a row that recovery has found, set aside for a person to look at.

Kinote never removes anything here (law 8). Each file keeps its name. `NAME.json` beside it says where it was, why
and when it was set aside. To take a file back, use `kinote import FILE`, then remove it.
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

#: For how many seconds a count of the files is valid, since every health check asks for it.
_COUNT_LASTS = 10.0

_RECORD = ".json"


class Quarantine:
    """The folder of the files that were set aside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._counting = threading.Lock()
        self._counted: tuple[float, int] | None = None

    def move_in(self, files: Iterable[Path], *, why: str, now: datetime) -> int:
        """Move files here durably, each with its record, and return their number.

        A kill in between leaves a record without a file, or the file in its old place. The next recovery continues.
        """
        moved: set[Path] = set()
        number = 0
        for file in files:
            target = self._record(file.name, was_at=str(file), size=file.stat().st_size, why=why, now=now)
            file.rename(target)
            moved.add(file.parent)
            number += 1
        if moved:
            # The new names are synced first. A power cut in between leaves the files in both folders, not in none.
            self._changed()
            for folder in moved:
                sync_folder(folder)
        return number

    def write_in(self, name: str, content: bytes, *, was_at: str, why: str, now: datetime) -> None:
        """Keep bytes here durably that were not a file of their own."""
        target = self._record(name, was_at=was_at, size=len(content), why=why, now=now)
        with target.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._changed()

    def _record(self, name: str, *, was_at: str, size: int, why: str, now: datetime) -> Path:
        """Write the record of what is about to be set aside, and return its destination."""
        make_folder(self.folder)
        target = self._free(name)
        record = {"was_at": was_at, "why": why, "when": now.isoformat(timespec="seconds"), "bytes": size}
        with target.with_name(target.name + _RECORD).open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        return target

    def _changed(self) -> None:
        sync_folder(self.folder)
        self._counted = None

    def count(self) -> int:
        """Return how many files are here. The count is a few seconds old at most."""
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
