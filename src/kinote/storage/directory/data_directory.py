"""The data directory: everything Kinote keeps, below one folder, used by one owner at a time.

kinote.sqlite      the index (unless it is on PostgreSQL)
installation.json  which index it belongs to (`kinote.storage.directory.marks`)
objects/           images, each a file of its own
packs/             small images, many to a file
journal/           the journal of rare acts (`kinote.storage.journal_files`)
quarantine/        files that recovery has set aside (`kinote.storage.quarantine`)
processes/         who has it open now (`kinote.storage.directory.presence`)
lock               which process has it open (`kinote.storage.directory.directory_lock`)
server.json        the server that has it open (`kinote.storage.directory.announcement`)
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from kinote.storage.directory import announcement
from kinote.storage.directory.announcement import Announcement
from kinote.storage.directory.directory_lock import DirectoryLock, holder
from kinote.storage.directory.marks import is_marked
from kinote.storage.folders import make_folder
from kinote.storage.local import store_roots

_INDEX = "kinote.sqlite"

#: How many seconds the recovery of another starting server may take before this one is refused.
_CLEARING_UP = 120


class DataDirectoryInUseError(RuntimeError):
    """Another process has the data directory open."""


class DataDirectory:
    """An open data directory: exclusive (SQLite), or shared among servers of one index (PostgreSQL).

    Raises `DataDirectoryInUseError` if another process has it; with `unless_served`, also if it is shared with a
    server that has announced itself.
    """

    def __init__(self, path: Path, *, shared: bool = False, unless_served: bool = False) -> None:
        self.path = path.absolute()
        #: The announcement of this server; None as long as there is none.
        self.announcement: Announcement | None = None
        if not self.path.is_dir():
            make_folder(self.path)
        self._lock = DirectoryLock(self.path)
        self._shared = shared
        #: Whether nobody else had it open. Then unfinished files belong to nobody, and can be cleared away.
        self.was_alone = self._lock.take()
        if self.was_alone:
            # The announcement of a killed server. On a read-only file system it may stay, because the lock decides.
            with suppress(OSError):
                announcement.withdraw(self.path)
        elif not (shared and self._let_in(unless_served)):
            self._lock.close()
            raise DataDirectoryInUseError(
                f"The data directory {self.path} is in use by another Kinote{self._named_holder()}. "
                "Stop that one, or choose another directory with --data."
            )

    @property
    def index_url(self) -> str:
        return f"sqlite:///{self.path / _INDEX}"

    def recovered(self) -> None:
        """Let the other servers of the same index in, after recovery."""
        if self._shared:
            self._lock.share()

    def is_alone(self) -> bool:
        """Return whether no other server has the directory open now. None can open it until this one closes."""
        return not self._shared or self._lock.take()

    def is_in_place(self) -> bool:
        """Return whether the path still leads to this directory and its lock. Both may have been moved while it is
        open."""
        return self._lock.is_in_place()

    def announce(self, url: str) -> None:
        """Tell commands that a server has the directory open, and its address."""
        self.announcement = announcement.announce(self.path, url)

    def close(self) -> None:
        try:
            if self.announcement is not None:
                announcement.withdraw(self.path, self.announcement)
        finally:
            self._lock.close()

    def _let_in(self, unless_served: bool) -> bool:
        """Share the directory. Another server that is just starting recovers first."""
        deadline = time.monotonic() + _CLEARING_UP
        while not ((is_served := announcement.is_announced(self.path)) and unless_served):
            if self._lock.take(shared=True):
                return True
            # A server that has it exclusively and is running will never share it.
            if is_served or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return False

    def _named_holder(self) -> str:
        # Servers that share the directory overwrite each other's announcement.
        pid = None if self._shared else holder(self.path)
        return "" if pid is None else f" (process {pid})"


def is_data_directory(path: Path) -> bool:
    """Return whether a folder is a data directory: it has a mark, or an index or objects from before there were
    marks."""
    return (
        is_marked(path)
        or (path / _INDEX).exists()
        or any(root.exists() for root in store_roots(path).values())
    )
