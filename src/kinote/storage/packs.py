"""Small images, many to a file: packs of bounded size (design, "Decisions").

A file of its own costs an image of 20 KB as much again as everything else. A group of such images goes into a
pack with one sync. Each process adds to a pack of its own and reads all. A key is `PACK/NUMBER`.
"""

from __future__ import annotations

import io
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from kinote.storage.folders import make_folder, sync_folder
from kinote.storage.incoming_small import IncomingSmall
from kinote.storage.pack import Pack, PackLock
from kinote.storage.quarantine import Quarantine
from kinote.storage.store import Incoming, MissingObjectError, StorageError

#: Bytes of a pack, beyond which another is begun: it is copied, compacted and checked as a whole.
MAX_BYTES = 2 * 1024**3


class PackStore:
    """The packs below one folder."""

    def __init__(self, root: Path, store: int, mark: str = "", *, max_bytes: int = MAX_BYTES) -> None:
        self.id = store
        self._mark = mark
        self._root = root
        self._max_bytes = max_bytes
        make_folder(root)
        self._changing = threading.Lock()
        self._packs: dict[int, Pack] = {}
        #: The pack that this process adds to, its lock, and bytes added since its size was looked at.
        self._writing: tuple[int, PackLock] | None = None
        self._added = 0

    def receive(self, now: datetime) -> IncomingSmall:
        del now  # The order of packs is their own.
        return IncomingSmall(self.id)

    def take_over(self, key: str) -> Incoming:
        raise StorageError(f"{key[:80]!r} cannot be taken over: small objects come with who receives them")

    def settle(self, group: Sequence[Incoming]) -> list[StorageError | None]:
        waiting = [one for one in group if isinstance(one, IncomingSmall) and one.key is None]
        try:
            self._add(waiting)
        except (sqlite3.Error, OSError) as error:
            if len(waiting) > 1:
                # One that is refused must not take the others with it (law 5).
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
        except sqlite3.Error as error:
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
        except sqlite3.Error as error:
            raise StorageError(f"Cannot remove objects from {self._root}: {error}") from error

    def compact(self) -> int:
        """Give room back in packs half of which is unused, none of them being added to; gives their number."""
        number = 0
        for pack in self._all():
            opened = self._pack(pack)
            lock = PackLock.take(self._path(pack))
            if lock is None:
                continue
            try:
                if opened.unused() * 2 > opened.size():
                    opened.compact()
                    number += 1
            finally:
                lock.release()
        return number

    def position(self, now: datetime) -> str:
        """The end of each pack that nobody adds to: what comes later has a greater number there, or lies in another."""
        del now
        ends = ((pack, self._pack(pack).last_number()) for pack in self._all() if not self._holder(pack))
        return " ".join(f"{pack}/{end}" for pack, end in ends)

    def maker(self, key: str) -> str:
        return self._holder(_parts(key)[0]) or ""

    def _holder(self, pack: int) -> str | None:
        """The mark of another process that adds to a pack, None if none does."""
        if self._writing is not None and self._writing[0] == pack:
            return None
        return PackLock.holder(self._path(pack))

    def keys_since(self, position: str) -> Iterator[list[str]]:
        ends = dict(map(_parts, position.split()))
        for pack in self._all():
            for numbers in self._pack(pack).numbers_since(ends.get(pack, 0)):
                yield [f"{pack}/{number}" for number in numbers]

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
        with self._changing:
            if self._writing is not None:
                self._writing[1].release()
                self._writing = None
            while self._packs:
                self._packs.popitem()[1].close()

    def _add(self, waiting: Sequence[IncomingSmall]) -> None:
        if not waiting:
            return
        with self._changing:
            number = self._begin()
            pack = self._opened(number)
        numbers = pack.add([one.content for one in waiting])
        for one, at in zip(waiting, numbers, strict=True):
            one.key = f"{number}/{at}"
            self._added += len(one.content)

    def _begin(self) -> int:
        """The pack to add to, a new one where there is none or it is full. Called with the lock."""
        if self._writing is not None and self._added > self._max_bytes // 64:
            self._added = 0
            if self._opened(self._writing[0]).size() >= self._max_bytes:
                self._writing[1].release()
                self._writing = None
        if self._writing is None:
            self._writing = self._take()
        return self._writing[0]

    def _take(self) -> tuple[int, PackLock]:
        packs = self._all()
        for number in reversed(packs[-8:]):
            if self._opened(number).size() < self._max_bytes:
                lock = PackLock.take(self._path(number), self._mark)
                if lock is not None:
                    return number, lock
        number = packs[-1] if packs else 0
        while True:
            number += 1
            lock = PackLock.take(self._path(number), self._mark)
            if lock is None:
                continue
            if self._path(number).exists():
                lock.release()
                continue
            self._packs[number] = Pack(self._path(number), make=True)
            sync_folder(self._root)
            return number, lock

    def _pack(self, number: int) -> Pack:
        with self._changing:
            return self._opened(number)

    def _opened(self, number: int) -> Pack:
        found = self._packs.get(number)
        if found is None:
            found = self._packs[number] = Pack(self._path(number))
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
