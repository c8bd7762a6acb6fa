"""The data directory: everything Kinote keeps, below one folder, used by one owner at a time.

kinote.sqlite      the index (unless it is on PostgreSQL)
installation.json  which index it belongs to (`kinote.storage.marks`)
objects/           images, each a file of its own
packs/             small images, many to a file
quarantine/        files that recovery has set aside (`kinote.storage.quarantine`)
processes/         who has it open now (`kinote.storage.presence`)
lock               held while somebody has the directory open
server.json        where the server listens that has it open
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from kinote.storage.folders import make_folder

#: Seconds that start-up recovery of another server may take before this one is refused.
_CLEARING_UP = 120


class DataDirectoryInUseError(RuntimeError):
    """Another process has the data directory open."""


class DataDirectory:
    """An open data directory. Alone (SQLite) or shared among servers of one index (PostgreSQL)."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path.absolute()
        if not self.path.is_dir():
            make_folder(self.path)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        #: Whether nobody else had it open: then what lies half-done is nobody's and may be cleared away.
        self.was_alone = self._take(fcntl.LOCK_EX)
        if not self.was_alone and not (shared and self._let_in()):
            os.close(self._lock)
            raise DataDirectoryInUseError(
                f"The data directory {self.path} is in use by another Kinote. "
                "Stop that server, or give this one another directory with --data."
            )
        self._shared = shared

    @property
    def index_url(self) -> str:
        return f"sqlite:///{self.path / 'kinote.sqlite'}"

    def recovered(self) -> None:
        """Start-up recovery is done: let the other servers of the same index in."""
        if self._shared:
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def is_alone(self) -> bool:
        """Whether no other server has the directory open now, and none can open it until this one closes."""
        return not self._shared or self._take(fcntl.LOCK_EX)

    def announce(self, url: str) -> None:
        """Tell commands that a server has the directory open, and where it listens."""
        target = self.path / "server.json"
        temporary = target.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        temporary.replace(target)

    def close(self) -> None:
        announced = self.path / "server.json"
        if _announcement(announced).get("pid") == os.getpid():
            announced.unlink(missing_ok=True)
        os.close(self._lock)

    def _let_in(self) -> bool:
        """Share the directory; another server that has just been started first clears up by itself."""
        deadline = time.monotonic() + _CLEARING_UP
        while not self._take(fcntl.LOCK_SH):
            # One that is serving and does not share it never will.
            if running_server(self.path) or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _take(self, kind: int) -> bool:
        try:
            fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def running_server(path: Path) -> str | None:
    """The address of the server that has this data directory open, None if there is none."""
    announcement = _announcement(path / "server.json")
    try:
        # Signal 0 asks whether the process is there: a killed server leaves its announcement behind.
        os.kill(int(str(announcement["pid"])), 0)
    except (KeyError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return str(announcement["url"])


def _announcement(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
