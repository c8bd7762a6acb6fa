"""The files of the journal of rare acts: append-only, each line with a check, synced before an act is committed.

Each process that writes has files of its own, and holds a lock on the one that it writes to. So what is incomplete can
be told from what somebody is writing. A line is one JSON object: `{"check": CRC-32 of the record, "record": …}`. The
first line names the installation. A file that was closed has a last line that says so.

    journal/20261130T180149.123456-6f0c5d2ab1e9.jsonl
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from kinote.storage.folders import make_folder, sync_folder

#: The format of the files.
FORMAT = 1

#: A file of this size is closed, and the next one begun.
LARGEST = 16 * 1024 * 1024

_LINE = re.compile(rb'\{"check":"([0-9a-f]{8})","record":(.*)\}', re.DOTALL)

_SUFFIX = ".jsonl"


class JournalError(OSError):
    """The journal cannot be written. The message says why."""


def journal_folder(directory: Path) -> Path:
    """Return the folder of the journal in a data directory."""
    return directory / "journal"


def journal_files(folder: Path) -> list[Path]:
    """Return the files of a journal, the oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []


class JournalFiles:
    """The journal as one process writes it. `installation` returns the id that stands in each file."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], installation: Callable[[], str]) -> None:
        self._folder = folder
        self._clock = clock
        self._installation = installation
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._size = 0

    def append(self, records: Sequence[Mapping[str, Any]], *, durably: bool = True) -> None:
        """Append records. Raises `JournalError`; then they may be there, and have to be taken back."""
        lines = b"".join(map(_line, records))
        with self._lock:
            try:
                if self._file is None:
                    self._begin()
                assert self._file is not None
                if not self._is_in_place(self._file):
                    # What is written to a file that was removed is lost. The file stays open: it may come back.
                    raise JournalError(errno.ENOENT, f"its file {self._file.name} is not there any more")
                _write_whole(self._file, lines)
                if durably:
                    os.fdatasync(self._file.fileno())
                self._size += len(lines)
            except JournalError:
                raise
            except OSError as error:
                # What was half written is the end of that file. Whatever follows begins another one.
                self._leave()
                raise JournalError(error.errno or 0, error.strerror or str(error)) from error
            if self._size >= LARGEST:
                self._end()

    def close(self) -> None:
        with self._lock:
            self._end()

    def _begin(self) -> None:
        make_folder(self._folder)
        begun = self._clock()
        name = f"{begun:%Y%m%dT%H%M%S.%f}-{os.urandom(6).hex()}{_SUFFIX}"
        # Unbuffered: a record is written whole, by one system call.
        self._file = (self._folder / name).open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        header = _line(
            {"journal": FORMAT, "installation": self._installation(), "begun_at": begun.isoformat()}
        )
        _write_whole(self._file, header)
        self._size = len(header)
        sync_folder(self._folder)

    @staticmethod
    def _is_in_place(file: BinaryIO) -> bool:
        """Return whether an open file still has its name in the folder."""
        try:
            there = Path(file.name).stat()
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(file.fileno()))

    def _end(self) -> None:
        """Close the file with a last line. One that cannot be written is missing, as after a crash."""
        if self._file is not None:
            try:
                _write_whole(self._file, _line({"end": True}))
                os.fdatasync(self._file.fileno())
            except OSError:
                pass
            self._leave()

    def _leave(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _write_whole(file: BinaryIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(record: Mapping[str, Any]) -> bytes:
    written = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    return b'{"check":"%08x","record":%s}\n' % (zlib.crc32(written), written)


@dataclass(slots=True)
class ReadFile:
    """What a file of the journal says. `faults` are sentences about what cannot be read."""

    path: Path
    installation: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    has_ended: bool = False
    faults: list[str] = field(default_factory=list)
    #: How far it can be read: after that is what a crash left of the last line.
    sound_length: int = 0
    is_torn: bool = False


def read_file(path: Path) -> ReadFile:
    """Read a file of the journal. Lines that are damaged are left out, and named in `faults`. Raises OSError."""
    found = ReadFile(path)
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                # What a crash left of a line: its act was never committed.
                found.is_torn = True
                break
            record = _record(line)
            found.sound_length += len(line)
            if record is None:
                found.faults.append(f"line {number} of {path.name} is damaged")
            elif "journal" in record:
                found.installation = str(record.get("installation", ""))
                if record["journal"] != FORMAT:
                    found.faults.append(f"{path.name} was written by a newer version of Kinote")
            elif "end" in record:
                found.has_ended = True
            else:
                found.records.append(record)
    if number and not found.installation and not found.is_torn and not found.faults:
        found.faults.append(f"{path.name} does not say which installation it belongs to")
    return found


def read_journal(folder: Path) -> Iterator[ReadFile]:
    """Read all files of a journal, the oldest first. Raises OSError."""
    for path in journal_files(folder):
        yield read_file(path)


def end_left_files(folder: Path, installation: str, to_take_back: Callable[[ReadFile], Sequence[str]]) -> int:
    """End the files that processes left behind which ended without closing them; returns how many there were.

    `to_take_back` returns the ids of those entries whose transactions were not committed. Raises OSError.
    """
    number = 0
    for path in journal_files(folder):
        with path.open("r+b", buffering=0) as file:
            if _ends(file):
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # Somebody writes to it.
            read = read_file(path)
            if read.has_ended or read.installation not in ("", installation):
                continue
            ids = list(to_take_back(read))
            file.truncate(read.sound_length)
            file.seek(0, os.SEEK_END)
            _write_whole(file, (_line({"taken back": ids}) if ids else b"") + _END)
            os.fdatasync(file.fileno())
            number += 1
    return number


_END = _line({"end": True})


def _ends(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(_END)))
    return file.read() == _END


def _record(line: bytes) -> dict[str, Any] | None:
    match = _LINE.fullmatch(line.rstrip(b"\n"))
    if match is None or int(match[1], 16) != zlib.crc32(match[2]):
        return None
    try:
        record = json.loads(match[2])
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
