"""Images as local files, one for each instance: a file can be inspected, copied and deleted by itself.

A file is created at its final name. Its data are synced when it is complete, and its directory once for a group. A
kill before the commit leaves a file without a row, which recovery sets aside. Directories are by hour of arrival,
so that a group uses one directory and recovery need not search the whole store.
"""

from __future__ import annotations

import io
import logging
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from kinote.storage.aligned_file import AlignedFile
from kinote.storage.directory.presence import MARK
from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.quarantine import Quarantine
from kinote.storage.store import Incoming, MissingObjectError, StorageError
from kinote.storage.volume import StoreFolder

log = logging.getLogger(__name__)

#: If the clock was set back, files may have been put into hours that seem to be past.
_CLOCK_TOLERANCE = timedelta(hours=2)

#: How many bytes of one object are written between two looks at the room that is left. Many are on their way at once,
#: and together they must not use up what is reserved.
_UNLOOKED = 1024 * 1024

#: The form of keys: year, month, day and hour, and a unique name.
_KEY = re.compile(r"\d{4}/\d\d/\d\d/\d\d/[0-9a-f]{32}\.dcm")


class IncomingFile:
    """A file being received, at its final name.

    Whoever receives it makes its name durable together with its data. Syncing the folder once for a group would
    take fewer syncs, but the group would have to wait; this way, senders go on in parallel.
    """

    waits_for_disk = True

    def __init__(self, store: int, path: str, key: str, folder: StoreFolder, *, direct: bool) -> None:
        self.store = store
        self.key = key
        self.path = path
        self._folder = folder
        self._until_look = _UNLOOKED
        try:
            self._file = AlignedFile(path, direct=direct)
        except OSError as error:
            raise StorageError(f"Cannot create the file {path}: {error.strerror}") from error
        self._is_durable = False

    @property
    def is_direct(self) -> bool:
        return self._file.is_direct

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._until_look -= len(chunk)
        if self._until_look < 0:
            self._until_look = _UNLOOKED
            self._folder.see_that_it_takes_more()
        try:
            self._file.write(chunk)
        except OSError as error:
            raise StorageError(f"Cannot write to {self.path}: {error.strerror}") from error

    def finish(self) -> None:
        if self._is_durable:
            return
        folder = Path(self.path).parent
        try:
            if not self._file.is_closed:
                self._file.finish()
                self._file.close()
            sync_folder(folder)
        except OSError as error:
            raise StorageError(f"Cannot sync {self.path}: {error.strerror}") from error
        self._is_durable = True

    def read_back(self, offset: int, limit: int) -> bytes:
        with open(self.path, "rb") as file:  # noqa: PTH123 - a text, as everywhere here
            file.seek(offset)
            return file.read(limit)

    def abandon(self) -> None:
        self._file.close()
        Path(self.path).unlink(missing_ok=True)


class FinishedFile:
    """A file that another process of this server has received: complete and durable."""

    waits_for_disk = False

    def __init__(self, store: int, path: str, key: str) -> None:
        self.store = store
        self.key = key
        self.path = path

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        raise StorageError(f"{self.path} is finished")

    def finish(self) -> None:
        """Do nothing: the file is durable already."""

    def read_back(self, offset: int, limit: int) -> bytes:
        with open(self.path, "rb") as file:  # noqa: PTH123 - a text, as everywhere here
            file.seek(offset)
            return file.read(limit)

    def abandon(self) -> None:
        Path(self.path).unlink(missing_ok=True)


class FileStore:
    """The files below one folder. Their names begin with the mark of the process that received them (`presence`).

    It can be pickled: a process that belongs to this one then writes files with the same mark.
    """

    def __init__(self, root: Path, store: int, mark: str = "", folder: StoreFolder | None = None) -> None:
        self.id = store
        self._mark = mark
        self._root = root
        if folder is None:
            make_folder(root)
        self._folder = folder or StoreFolder(root)
        #: Folders whose names, and those of all parents, are known to be durable.
        self._durable = {root}
        #: Whether O_DIRECT may work: the file system has not refused it yet.
        self._direct = True

    def receive(self, now: datetime) -> IncomingFile:
        self._folder.see_that_it_takes_more()
        hour = _hour(now)
        folder = self._root / hour
        if folder not in self._durable:
            try:
                self._make_folder(folder)
            except OSError as error:
                raise StorageError(f"Cannot create the folder {folder}: {error.strerror}") from error
        key = f"{hour}/{self._mark}{uuid.uuid4().hex[len(self._mark) :]}.dcm"
        # Strings, because joining `Path` objects takes longer than creating the file.
        file = IncomingFile(self.id, f"{self._root}/{key}", key, self._folder, direct=self._direct)
        self._direct = file.is_direct
        return file

    def __reduce__(self) -> tuple[type[FileStore], tuple[Path, int, str, StoreFolder]]:
        return FileStore, (self._root, self.id, self._mark, self._folder)

    def take_over(self, key: str) -> FinishedFile:
        """Return a file that another process of this server has received and finished. Raises `StorageError`."""
        path = f"{self._root}/{key}"
        if not _KEY.fullmatch(key) or self.maker(key)[: len(self._mark)] != self._mark:
            raise StorageError(f"{key[:80]!r} is no file that this server receives")
        if not os.path.exists(path):  # noqa: PTH110 - a text, as everywhere here
            raise StorageError(f"The file {path} is not there")
        return FinishedFile(self.id, path, key)

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        # Everything was done when each file was finished.
        return [None] * len(group)

    def open(self, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        try:
            # Strings, because joining `Path` objects takes longer than opening the file.
            file = open(f"{self._root}/{key}", "rb", buffering=64 * 1024 if buffered else 0)  # noqa: PTH123, SIM115
            file.seek(offset)
        except FileNotFoundError as error:
            raise MissingObjectError(f"Cannot open stored file {key}: {error.strerror}") from error
        except OSError as error:
            raise StorageError(f"Cannot open stored file {key}: {error.strerror}") from error
        return file

    def remove(self, keys: Iterable[str]) -> None:
        paths = [self.path(key) for key in keys]
        try:
            for path in paths:
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in paths if path.parent.is_dir()}:
                sync_folder(folder)
        except OSError as error:
            raise StorageError(f"Cannot remove files from {self._root}: {error.strerror}") from error

    def see_that_it_takes_more(self) -> None:
        self._folder.see_that_it_takes_more()

    def position(self, now: datetime) -> str:
        return _hour(now - _CLOCK_TOLERANCE)

    def earlier(self, one: str, other: str) -> str:
        return min(one, other)

    def maker(self, key: str) -> str:
        return key.rpartition("/")[2][:MARK]

    def keys_since(self, position: str, unread: list[str] | None = None) -> Iterator[list[str]]:
        folders = [""]
        for _ in ("year", "month", "day", "hour"):
            folders = [
                f"{folder}{entry.name}/"
                for folder in folders
                for entry in self._entries(folder, unread)
                if entry.name.isdecimal() and entry.is_dir()
            ]
        for hour in folders:
            if hour[:-1] >= position:
                yield [f"{hour}{entry.name}" for entry in self._entries(hour, unread)]

    def _entries(self, folder: str, unread: list[str] | None) -> list[os.DirEntry[str]]:
        """Return what a folder has, by name. One that cannot be read must not keep anybody from the others."""
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            # It has gone since it was listed.
            return []
        except OSError as error:
            log.error("The folder %s/%s cannot be read: %s", self._root, folder, error.strerror)
            if unread is not None:
                unread.append(f"{self._root}/{folder}")
            return []

    def set_aside(self, keys: Iterable[str], quarantine: Quarantine, *, why: str, now: datetime) -> int:
        there = (path for path in map(self.path, keys) if path.exists())
        return quarantine.move_in(there, why=why, now=now)

    def path(self, key: str) -> Path:
        """Return the path of a stored file."""
        return self._root / key

    def close(self) -> None:
        """Nothing is open."""

    def _make_folder(self, folder: Path) -> None:
        """Make sure, once for this process, that a folder exists and that its name is durable.

        An existing folder may not be durable: another thread or server may just have made it, or have been killed
        before its sync.
        """
        if folder not in self._durable:
            self._make_folder(folder.parent)
            make_folder(folder)
            self._durable.add(folder)


def _hour(moment: datetime) -> str:
    return moment.strftime("%Y/%m/%d/%H")


def forget_cached(file: BinaryIO) -> None:
    """Drop a stored file from the page cache. Does nothing for bytes that are not in a file."""
    if isinstance(file, io.FileIO):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
