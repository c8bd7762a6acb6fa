"""The floor: a program without a network that writes, digests, syncs and commits objects, and does nothing else.

    python -m benchmarks.floor FOLDER FORM DIGEST KIND FIRST OBJECTS THREADS SECONDS

No intake that keeps its word is faster on the same machine in the same language. All objects are in memory before
the clock starts. Each thread sends the next one when the last is durable; a thread of its own commits whatever
waits, as one group, to an index of SQLite (WAL, synchronous=FULL) that has a row for each object. The forms are

    files    a file each at its final name, its data synced; the folder synced once for each group
    direct   the same, past the page cache (O_DIRECT)
    pack     the bytes in another SQLite file, committed before the index
    index    the bytes in the index's own row

Prints how many objects in how many seconds, and processor seconds, as JSON.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import mmap
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from benchmarks.dicom_sender import KINDS

#: The rows of the tables, and of each the form in which it keeps objects of a kind; other kinds it has not.
FLOORS = {
    "floor": {"CT 512 KB": "files", "CT 20 KB": "files", "KOS 2 KB": "index"},
    "floor-direct": {"CT 512 KB": "direct"},
    "floor-pack": {"CT 20 KB": "pack"},
}

#: What the rows are called where people read them.
LABELS = {"floor-direct": "floor, O_DIRECT", "floor-pack": "floor, pack"}

SETTINGS = {
    "floor": "no receiver: writes, digests, syncs and commits to SQLite (FULL, grouped); images as files, KOS as rows",
    "floor-direct": "the same with O_DIRECT",
    "floor-pack": "the same with images in an SQLite file of their own",
}

#: An object comes in portions of this, as in the PDUs of usual senders, in bytes.
PORTION = 128 * 1024

#: Objects of a commit at most.
_GROUP = 200

#: Memory, places in a file and lengths are multiples of this for O_DIRECT, in bytes.
_ALIGNED = 4096


class Digest(Protocol):
    """What takes a digest, as in `hashlib`."""

    def update(self, data: memoryview, /) -> object: ...

    def digest(self) -> bytes: ...


def _blake3() -> Digest:
    made: Digest = importlib.import_module("blake3").blake3()
    return made


#: blake3 is a package that has to be installed.
DIGESTS: dict[str, Callable[[], Digest]] = {"sha256": hashlib.sha256, "blake3": _blake3}

#: An object's name, digest, size, and its bytes where they are committed with it.
_Row = tuple[str, bytes, int, bytes | None]


class Committer:
    """The thread that commits: whatever waits goes in one group."""

    def __init__(self, folder: Path, *, packs: bool) -> None:
        self._index = _database(folder / "index.sqlite")
        self._pack = _database(folder / "pack.sqlite") if packs else None
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._waiting: SimpleQueue[tuple[_Row, threading.Lock] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def commit(self, row: _Row, done: threading.Lock) -> None:
        """Wait until a row is durable; `done` is a lock of the calling thread, which holds it."""
        self._waiting.put((row, done))
        done.acquire()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()
        os.close(self._folder)
        for each in (self._index, self._pack):
            if each is not None:
                each.close()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            with suppress(Empty):
                while len(group) < _GROUP and (more := self._waiting.get_nowait()) is not None:
                    group.append(more)
            self._commit([row for row, _ in group])
            for _, done in group:
                done.release()

    def _commit(self, rows: Sequence[_Row]) -> None:
        if self._pack is not None:
            _insert(self._pack, rows)
            rows = [(name, digest, size, None) for name, digest, size, _ in rows]
        elif rows[0][3] is None:
            os.fsync(self._folder)
        _insert(self._index, rows)


def _database(path: Path) -> sqlite3.Connection:
    # Made by one thread, used by another, closed by the first.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    # Pages; 64 MB of log are quicker than the 4 MB that are usual.
    connection.execute("PRAGMA wal_autocheckpoint=16000")
    connection.execute(
        "CREATE TABLE object (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, digest BLOB NOT NULL, "
        "size INTEGER NOT NULL, data BLOB)"
    )
    return connection


def _insert(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO object (name, digest, size, data) VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class Floor:
    """Keeps objects in a form, in an empty folder."""

    folder: Path
    form: str
    digest: Callable[[], Digest]

    def run(self, files: Sequence[bytes], threads: int, seconds: float) -> dict[str, float]:
        """Keep all, shared out among so many threads; what has not begun after so many seconds is left."""
        committer = Committer(self.folder, packs=self.form == "pack")
        together = threading.Barrier(threads + 1)

        def work(at: int) -> int:
            keep = _Keeper(self, committer).keep
            together.wait()
            deadline = time.monotonic() + seconds
            kept = 0
            for number in range(at, len(files), threads):
                if time.monotonic() > deadline:
                    break
                keep(str(number), files[number])
                kept += 1
            return kept

        with ThreadPoolExecutor(threads) as pool:
            running = [pool.submit(work, at) for at in range(threads)]
            busy = _busy()
            together.wait()
            begun = time.perf_counter()
            sent = sum(each.result() for each in running)
            taken = time.perf_counter() - begun
            busy = _busy() - busy
        committer.close()
        return {"sent": sent, "seconds": taken, "busy": busy}


class _Keeper:
    """A thread's own: what it fills and waits on."""

    def __init__(self, floor: Floor, committer: Committer) -> None:
        self._floor = floor
        self._committer = committer
        self._done = threading.Lock()
        self._done.acquire()
        self._buffer = mmap.mmap(-1, _ALIGNED)

    def keep(self, name: str, data: bytes) -> None:
        """Keep an object, durable."""
        write = {"files": self._write, "direct": self._write_directly}.get(self._floor.form, self._take)
        digest = write(name, data)
        kept = None if self._floor.form in ("files", "direct") else data
        self._committer.commit((name, digest, len(data), kept), self._done)

    def _take(self, _name: str, data: bytes) -> bytes:
        digest = self._floor.digest()
        for portion in _portions(data):
            digest.update(portion)
        return digest.digest()

    def _write(self, name: str, data: bytes) -> bytes:
        digest = self._floor.digest()
        descriptor = os.open(self._floor.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        for portion in _portions(data):
            os.write(descriptor, portion)
            digest.update(portion)
        os.fdatasync(descriptor)
        os.close(descriptor)
        return digest.digest()

    def _write_directly(self, name: str, data: bytes) -> bytes:
        digest = self._floor.digest()
        padded = -(-len(data) // _ALIGNED) * _ALIGNED
        if len(self._buffer) < padded:
            self._buffer = mmap.mmap(-1, padded)
        at = 0
        for portion in _portions(data):
            self._buffer[at : at + len(portion)] = portion
            digest.update(portion)
            at += len(portion)
        self._buffer[at:padded] = bytes(padded - at)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_DIRECT
        descriptor = os.open(self._floor.folder / name, flags)
        os.posix_fallocate(descriptor, 0, padded)
        with memoryview(self._buffer) as view, view[:padded] as whole:
            os.write(descriptor, whole)
        os.ftruncate(descriptor, len(data))
        os.fdatasync(descriptor)
        os.close(descriptor)
        return digest.digest()


def _portions(data: bytes) -> list[memoryview]:
    view = memoryview(data)
    return [view[at : at + PORTION] for at in range(0, len(view), PORTION)]


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def allows_direct(folder: Path) -> bool:
    """Whether files in a folder can be written past the page cache; the file that is tried stays."""
    try:
        os.close(os.open(folder / "direct", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Reached:
    """So many objects in so many seconds, for so many seconds of the processors."""

    objects: int
    seconds: float
    busy: float


def measure_floor(
    folder: Path,
    form: str,
    digest: str,
    *,
    kind: str,
    first: int,
    objects: int,
    threads: int,
    seconds: float = 600,
) -> Reached:
    """Run the program in a process of its own on a new folder."""
    folder.mkdir(parents=True)
    numbers = map(str, (first, objects, threads, seconds))
    command = [sys.executable, "-m", "benchmarks.floor", str(folder), form, digest, kind, *numbers]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return Reached(found["sent"], found["seconds"], found["busy"])


def run_program() -> None:
    folder, form, digest, kind, *numbers = sys.argv[1:]
    first, objects, threads = map(int, numbers[:3])
    made = [KINDS[kind](number) for number in range(first, first + objects)]
    # Collecting garbage would look through all that was prepared.
    gc.disable()
    print(json.dumps(Floor(Path(folder), form, DIGESTS[digest]).run(made, threads, float(numbers[3]))))


if __name__ == "__main__":
    run_program()
