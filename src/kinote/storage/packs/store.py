"""Small images, many to a file: packs of bounded size (docs/architecture.md, "How an object comes in").

A file of its own costs an image of 20 KB as much again as everything else. A group of such images goes into a
pack with one sync. Each process adds to a pack of its own and reads all. A key is `PACK/NUMBER`.

NNNNNN.pack        the objects (`pack`); from before, a SQLite file of them (`sqlite_pack`)
NNNNNN.pack.lock   held by the process that adds to it (`lock`)
"""

from __future__ import annotations

import io
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.incoming_small import IncomingSmall
from kinote.storage.packs.adding import AHEAD, PackWriter
from kinote.storage.packs.lock import PackLock
from kinote.storage.packs.pack import BLOCK, Pack
from kinote.storage.packs.sqlite_pack import SqlitePack
from kinote.storage.quarantine import Quarantine
from kinote.storage.store import Incoming, MissingObjectError, StorageError
from kinote.storage.volume import StoreFolder

log = logging.getLogger(__name__)

#: The size in bytes from which on a new pack is begun, since a pack is copied and checked as a whole.
MAX_BYTES = 2 * 1024**3

#: The errors that a pack raises, by its format.
_FAILURES = (sqlite3.Error, OSError)


class _Adding(NamedTuple):
    """The pack to which this process adds, and its right to do so."""

    number: int
    lock: PackLock
    writer: PackWriter


class PackStore:
    """The packs below one folder."""

    def __init__(self, root: Path, store: int, mark: str = "", *, max_bytes: int = MAX_BYTES) -> None:
        self.id = store
        self._mark = mark
        self._root = root
        self._max_bytes = max_bytes
        make_folder(root)
        self._folder = StoreFolder(root)
        self._changing = threading.Lock()
        self._packs: dict[int, Pack | SqlitePack] = {}
        #: Held by the thread that adds, or that begins or ends a pack.
        self._at_it = threading.Lock()
        self._adding: _Adding | None = None
        #: Packs to which this process has added and will not add any more.
        self._done: list[_Adding] = []
        #: Packs after an error that leaves their contents uncertain.
        self._in_doubt: set[int] = set()

    def receive(self, now: datetime) -> IncomingSmall:
        del now  # The order of packs is their own.
        return IncomingSmall(self.id)

    def take_over(self, key: str) -> Incoming:
        raise StorageError(f"{key[:80]!r} cannot be taken over: small objects come with who receives them")

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        waiting = [one for one in group if isinstance(one, IncomingSmall) and one.key is None]
        if waiting:
            try:
                self._folder.see_that_it_takes_more()
            except StorageError as error:
                return [error if one in waiting else None for one in group]
        try:
            self._add(waiting)
        except _FAILURES as error:
            if len(waiting) > 1:
                # An object that is refused must not make the others fail (law 5).
                return [failure for one in group for failure in self.settle([one])]
            return [
                StorageError(f"Cannot write to a pack in {self._root}: {error}") if one in waiting else None
                for one in group
            ]
        return [None] * len(group)

    def open(self, key: str, offset: int = 0, *, buffered: bool = True) -> BinaryIO:
        del buffered  # All of it is in memory.
        pack, number = _parts(key)
        try:
            content = self._pack(pack).read(number)
        except _FAILURES as error:
            raise StorageError(f"Cannot read {key} in {self._root}: {error}") from error
        if content is None:
            raise MissingObjectError(f"Cannot open stored object {key} in {self._root}: it is not there")
        file = io.BytesIO(content)
        file.seek(offset)
        return file

    def remove(self, keys: Iterable[str]) -> None:
        try:
            for pack, numbers in _by_pack(keys).items():
                if self._path(pack).exists():
                    self._pack(pack).remove(numbers)
        except _FAILURES as error:
            raise StorageError(f"Cannot remove objects from {self._root}: {error}") from error

    def see_that_it_takes_more(self) -> None:
        self._folder.see_that_it_takes_more()

    def position(self, now: datetime) -> str:
        """Return the end of each pack to which nobody adds. Later objects have a greater number there, or are in
        another pack."""
        del now
        ends = []
        for pack in self._all():
            if self._holder(pack):
                continue
            try:
                ends.append(f"{pack}/{self._pack(pack).last_number()}")
            except _FAILURES:
                # It is searched again when it can be read.
                log.exception("A pack cannot be read", extra={"pack": str(self._path(pack))})
        return " ".join(ends)

    def earlier(self, one: str, other: str) -> str:
        """Return the first: nothing here goes by the clock."""
        del other
        return one

    def maker(self, key: str) -> str:
        return self._holder(_parts(key)[0]) or ""

    def _holder(self, pack: int) -> str | None:
        """Return the mark of another process that adds to a pack; None if there is none."""
        adding = self._adding
        if (adding is not None and adding.number == pack) or any(done.number == pack for done in self._done):
            return None
        return PackLock.holder(self._path(pack))

    def keys_since(self, position: str, unread: list[str] | None = None) -> Iterator[list[str]]:
        ends = dict(map(_parts, position.split()))
        for pack in self._all():
            try:
                for numbers in self._pack(pack).numbers_since(ends.get(pack, 0)):
                    yield [f"{pack}/{number}" for number in numbers]
            except _FAILURES:
                # A damaged pack must not keep anybody from the others, nor the server from starting.
                log.exception("A pack cannot be read", extra={"pack": str(self._path(pack))})
                if unread is not None:
                    unread.append(str(self._path(pack)))

    def set_aside(self, keys: Iterable[str], quarantine: Quarantine, *, why: str, now: datetime) -> int:
        moved = []
        for key in keys:
            try:
                file = self.open(key)
            except MissingObjectError:
                continue
            with file:
                was_at = f"{self._path(_parts(key)[0])} object {_parts(key)[1]}"
                name = f"{key.replace('/', '-')}.dcm"
                quarantine.write_in(name, file.read(), was_at=was_at, why=why, now=now)
            moved.append(key)
        self.remove(moved)
        return len(moved)

    def close(self) -> None:
        with self._at_it, self._changing:
            self._stop_adding()
            while self._done:
                self._done.pop().lock.release()
            while self._packs:
                self._packs.popitem()[1].close()

    def _add(self, waiting: Sequence[IncomingSmall]) -> None:
        if not waiting:
            return
        with self._at_it:
            adding = self._begin()
            numbers = adding.writer.add([one.content for one in waiting])
        for one, at in zip(waiting, numbers, strict=True):
            one.key = f"{adding.number}/{at}"

    def _begin(self) -> _Adding:
        """Return the pack to add to: a new one if there is none, or the current one is full or uncertain."""
        adding = self._adding
        if adding is not None and (adding.writer.size >= self._max_bytes or adding.writer.is_in_doubt):
            if adding.writer.is_in_doubt:
                self._in_doubt.add(adding.number)
            self._stop_adding()
        if self._adding is None:
            self._adding = self._take()
        return self._adding

    def _stop_adding(self) -> None:
        if self._adding is not None:
            self._adding.writer.close()
            # Its lock is kept. The rows of the last objects may not be committed yet, and the recovery of another
            # process would otherwise take these objects for those of a dead process.
            self._done.append(self._adding)
            self._adding = None

    def _take(self) -> _Adding:
        """Return a recent pack that has room and to which nobody adds, or a new one."""
        packs = self._all()
        for number in reversed(packs[-8:]):
            if number in self._in_doubt:
                continue
            lock = PackLock.take(self._path(number), self._mark)
            if lock is None:
                continue
            try:
                writer = self._resume(number)
            except _FAILURES:
                log.exception("A pack cannot be added to", extra={"pack": str(self._path(number))})
                writer = None
            if writer is not None:
                return _Adding(number, lock, writer)
            lock.release()
        number = self._greatest_number()
        while True:
            number += 1
            lock = PackLock.take(self._path(number), self._mark)
            if lock is None:
                continue
            if self._path(number).exists():
                # Another process has just created it, and is done with it.
                lock.release()
                continue
            return self._made(number, lock)

    def _made(self, number: int, lock: PackLock) -> _Adding:
        """Create a pack. If that fails, nothing of it is left."""
        path = self._path(number)
        try:
            made = Pack.make(path)
            sync_folder(self._root)
            writer = PackWriter(made, ahead=self._ahead)
        except BaseException:
            path.with_suffix(".pack.lock").unlink(missing_ok=True)
            lock.release()
            raise
        with self._changing:
            self._packs[number] = made
        return _Adding(number, lock, writer)

    def _greatest_number(self) -> int:
        """Return the greatest number of a pack so far. For a lost pack its lock still exists, and rows have its
        keys."""
        names = (path.name.partition(".")[0] for path in self._root.glob("*.pack*"))
        return max((int(name) for name in names if name.isdecimal()), default=0)

    def _resume(self, number: int) -> PackWriter | None:
        pack = self._pack(number)
        if isinstance(pack, SqlitePack) or pack.end() * BLOCK >= self._max_bytes:
            return None
        return PackWriter.take(pack, ahead=self._ahead)

    @property
    def _ahead(self) -> int:
        return min(AHEAD, self._max_bytes // 16)

    def _pack(self, number: int) -> Pack | SqlitePack:
        with self._changing:
            return self._opened(number)

    def _opened(self, number: int) -> Pack | SqlitePack:
        found = self._packs.get(number)
        if found is None:
            path = self._path(number)
            found = self._packs[number] = SqlitePack(path) if SqlitePack.is_one(path) else Pack(path)
        return found

    def _all(self) -> list[int]:
        return sorted(int(path.stem) for path in self._root.glob("*.pack") if path.stem.isdecimal())

    def _path(self, number: int) -> Path:
        return self._root / f"{number:06d}.pack"


def _parts(key: str) -> tuple[int, int]:
    pack, _, number = key.partition("/")
    return int(pack), int(number)


def _by_pack(keys: Iterable[str]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key in keys:
        pack, number = _parts(key)
        found.setdefault(pack, []).append(number)
    return found
