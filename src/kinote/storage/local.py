"""Image bytes as local files, one per instance.

A file is written under a temporary name, its data synced, then moved to its place and the directory
synced, once for a group of files (design, "Decisions": a file can be looked at, copied and deleted by
itself). Places are by hour of arrival, so that a group touches one directory and start-up recovery need
not walk the whole store.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.quarantine import Quarantine


class StorageError(OSError):
    """The storage could not take or give bytes (disk full, permissions, a missing file)."""


class MissingObjectError(StorageError):
    """There is no object under a key."""


class IncomingFile:
    """A file being received: invisible until `LocalStorage.place` has moved it to its key."""

    def __init__(self, path: Path, key: str) -> None:
        self.key = key
        self.path = path
        #: Whether it has been moved to its key, though perhaps not durably yet.
        self.is_placed = False
        #: Where that is.
        self.placed_at = ""
        try:
            self._descriptor: int | None = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640
            )
        except OSError as error:
            raise StorageError(f"Cannot create a file in {path.parent}: {error.strerror}") from error

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        assert self._descriptor is not None, "the file is finished"
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise StorageError(f"Cannot write to {self.path.parent}: {error.strerror}") from error

    def finish(self) -> None:
        """Make the written data durable; the name is made durable by `LocalStorage.place`."""
        assert self._descriptor is not None, "the file is finished"
        try:
            os.fdatasync(self._descriptor)
            self._close()
        except OSError as error:
            raise StorageError(f"Cannot sync a file in {self.path.parent}: {error.strerror}") from error

    def read_back(self, offset: int, limit: int) -> bytes:
        """What has been written, from an offset on, once it is finished; `limit` bytes of it at most."""
        with open(self.placed_at if self.is_placed else self.path, "rb") as file:  # noqa: PTH123 - a text, as where it was placed
            file.seek(offset)
            return file.read(limit)

    def abandon(self) -> None:
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class LocalStorage:
    """The files below one directory: `incoming/` for what is arriving, `objects/` for what is stored.

    `quarantine/` is for what recovery sets aside.
    """

    def __init__(self, root: Path) -> None:
        self._incoming = root / "incoming"
        self._objects = root / "objects"
        for folder in (self._incoming, self._objects):
            make_folder(folder)
        self.quarantine = Quarantine(root / "quarantine")
        #: The folders below `objects/` whose names, and those of all parents, are known to be durable.
        self._durable = {self._objects}

    def receive(self) -> IncomingFile:
        """A new file to write to."""
        name = uuid.uuid4().hex
        hour = datetime.now(UTC).strftime("%Y/%m/%d/%H")
        return IncomingFile(self._incoming / name, f"{hour}/{name}.dcm")

    def place(self, files: Iterable[IncomingFile]) -> None:
        """Move finished files to their keys and make the names durable; a directory is synced once.

        After a `StorageError` the same files may be placed again, in other groups.
        """
        folders: dict[str, Path] = {}
        try:
            for file in files:
                hour, _, name = file.key.rpartition("/")
                folder = folders.get(hour)
                if folder is None:
                    folder = folders[hour] = self._objects / hour
                    self._make_folder(folder)
                if not file.is_placed:
                    # Texts: putting paths together takes longer than moving the file.
                    file.placed_at = f"{folder}/{name}"
                    os.rename(file.path, file.placed_at)  # noqa: PTH104
                    file.is_placed = True
            for folder in folders.values():
                sync_folder(folder)
        except OSError as error:
            raise StorageError(f"Cannot place files in {self._objects}: {error.strerror}") from error

    def open(self, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        """A stored file, at so many bytes from its beginning.

        Without a buffer for who reads it in large pieces: a read gives fewer bytes only at the end of the file.
        """
        try:
            # Texts: putting paths together takes longer than opening the file.
            file = open(f"{self._objects}/{key}", "rb", buffering=64 * 1024 if buffered else 0)  # noqa: PTH123, SIM115
            file.seek(offset)
        except FileNotFoundError as error:
            raise MissingObjectError(f"There is no stored file {key}") from error
        except OSError as error:
            raise StorageError(f"Cannot open stored file {key}: {error.strerror}") from error
        return file

    def remove(self, key: str) -> None:
        """Delete a stored file; it may be gone already, and may be back after a power cut."""
        (self._objects / key).unlink(missing_ok=True)

    def remove_durably(self, keys: Iterable[str]) -> None:
        """Delete stored files so that no power cut brings them back; a directory is synced once."""
        paths = [self._objects / key for key in keys]
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths if path.parent.is_dir()}:
            sync_folder(folder)

    def keys_since(self, hour: str) -> Iterator[list[str]]:
        """The keys of all stored files, folder by folder, from an hour (`YYYY/MM/DD/HH`) on."""
        for folder in sorted(self._objects.glob("*/*/*/*")):
            at = folder.relative_to(self._objects).as_posix()
            if at >= hour:
                yield sorted(f"{at}/{entry.name}" for entry in os.scandir(folder))

    def arriving(self) -> list[Path]:
        """The files that are being received, or were when the last process ended."""
        return list(self._incoming.iterdir())

    def path(self, key: str) -> Path:
        """Where a stored file lies."""
        return self._objects / key

    def _make_folder(self, folder: Path) -> None:
        """Make sure, once for this process, that a folder is there and that its name is durable.

        That it is there says nothing of that: another thread or server may just have made it, or have been
        killed before it came to its sync.
        """
        if folder not in self._durable:
            self._make_folder(folder.parent)
            make_folder(folder)
            self._durable.add(folder)
