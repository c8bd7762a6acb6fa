"""One pack: a file of small objects, each from the beginning of a block, in the order in which they came.

    block 0     "Kinote pack 1\\n", two zero bytes, and 32 bytes that are this pack's own
    block n     an object: "KOBJ", its length (4 bytes, little endian), 8 bytes of check, its bytes, zeros

The number of an object is the block it begins at. A pack only grows, so no number is ever given again. What is removed
becomes a hole: the file system has its room back at once. Of the last object the head stays, with "KGON" in it, since
it says how far the pack has come. The check is a BLAKE3 of number and length under the bytes of block 0: nobody who
sends an image can make one that reads like a pack from some block of it on.

Objects are written by `adding`; everything else about the file is here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import struct
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

#: What objects begin at multiples of, in bytes: what direct writes need (`kinote.storage.aligned_file`).
BLOCK = 4096

_TITLE = b"Kinote pack 1\n\0\0"
_SECRET = 32

_HEAD = struct.Struct("<4sI8s")
_THERE, _GONE = b"KOBJ", b"KGON"
_CHECKED = struct.Struct("<QI")

#: How many bytes are searched at once for the next object, if it does not follow directly.
_WINDOW = 1024 * 1024

#: How many bytes before the end the last object is searched first: more than a writer allocates ahead.
_TAIL = 32 * 1024 * 1024

#: How many numbers are returned at once.
_PAGE = 5000

_PUNCH_HOLE_KEEP_SIZE = 0x03
_libc = ctypes.CDLL(None, use_errno=True)


class _Head(NamedTuple):
    length: int
    is_there: bool


class NotAPackError(OSError):
    """The file does not begin like a pack."""


class Pack:
    """An open pack. All methods may be called from any thread, and raise OSError.

    A pack is only created on request (`make`), so that a lost file is not mistaken for an empty one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        # Once: at `close`, or when nobody has the pack any more. At the end of the process the system closes it.
        self._closing = weakref.finalize(self, os.close, self._descriptor)
        self._closing.atexit = False
        try:
            self._secret = self._read_secret()
        except BaseException:
            self.close()
            raise

    @classmethod
    def make(cls, path: Path) -> Pack:
        """Create a new pack, which gets its name once it is complete. For the process that may add to it (`lock`)."""
        beginning = path.with_suffix(".new")
        try:
            with beginning.open("wb", buffering=0) as file:
                file.write((_TITLE + secrets.token_bytes(_SECRET)).ljust(BLOCK, b"\0"))
                os.fsync(file.fileno())
            beginning.rename(path)
        except BaseException:
            beginning.unlink(missing_ok=True)
            raise
        return cls(path)

    def read(self, number: int) -> bytes | None:
        """Return an object; None if there is none with that number. If the file has been cut, bytes are missing."""
        head = self._head(number)
        if head is None or not head.is_there:
            return None
        return os.pread(self._descriptor, head.length, number * BLOCK + _HEAD.size)

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove objects durably. Objects that are gone already are ignored."""
        last = self._last_head()
        removed = False
        for number in numbers:
            head = self._head(number)
            if head is None or not head.is_there:
                continue
            removed = True
            if number == last:
                os.pwrite(self._descriptor, _GONE, number * BLOCK)
                self._make_hole((number + 1) * BLOCK, (blocks_of(head.length) - 1) * BLOCK)
            elif not self._make_hole(number * BLOCK, blocks_of(head.length) * BLOCK):
                os.pwrite(self._descriptor, _GONE, number * BLOCK)
        if removed:
            os.fsync(self._descriptor)

    def numbers_since(self, number: int) -> Iterator[list[int]]:
        """Return the numbers of all objects after a number, in parts."""
        page: list[int] = []
        for found, head in self._walk(max(number, 1)):
            if found == number or not head.is_there:
                continue
            page.append(found)
            if len(page) == _PAGE:
                yield page
                page = []
        if page:
            yield page

    def last_number(self) -> int:
        """Return the greatest number so far, 0 if there is none."""
        return self._last_head() or 0

    def end(self) -> int:
        """Return the block after the last object."""
        last = self._last_head()
        head = None if last is None else self._head(last)
        return 1 if last is None or head is None else last + blocks_of(head.length)

    def blocks(self) -> int:
        """Return the number of blocks in the file, including those that a writer has allocated ahead."""
        return -(-os.fstat(self._descriptor).st_size // BLOCK)

    def is_blank_from(self, block: int) -> bool:
        """Return whether there are only zeros from there to the end of the file."""
        at = block * BLOCK
        while (begin := self._data_from(at)) is not None:
            window = os.pread(self._descriptor, _WINDOW, begin)
            if window.count(0) != len(window):
                return False
            at = begin + len(window)
        return True

    def head(self, number: int, length: int) -> bytes:
        """Return the header before the bytes of an object."""
        return _HEAD.pack(_THERE, length, self._check(number, length))

    def close(self) -> None:
        self._closing()

    def _read_secret(self) -> bytes:
        beginning = os.pread(self._descriptor, len(_TITLE) + _SECRET, 0)
        if len(beginning) < len(_TITLE) + _SECRET or not beginning.startswith(_TITLE):
            raise NotAPackError(errno.EINVAL, "It does not begin as a pack does", str(self.path))
        return beginning[len(_TITLE) :]

    def _check(self, number: int, length: int) -> bytes:
        return blake3(_CHECKED.pack(number, length), key=self._secret).digest(8)

    def _head(self, number: int) -> _Head | None:
        """Return the header of the object that begins at a block; None if there is none."""
        if number < 1:
            return None
        return self._head_in(number, os.pread(self._descriptor, _HEAD.size, number * BLOCK))

    def _head_in(self, number: int, head: bytes) -> _Head | None:
        if len(head) < _HEAD.size or not head.startswith((_THERE, _GONE)):
            return None
        mark, length, check = _HEAD.unpack(head)
        return _Head(length, mark == _THERE) if check == self._check(number, length) else None

    def _last_head(self) -> int | None:
        blocks = self.blocks()
        reach = _TAIL // BLOCK
        while True:
            start = max(1, blocks - reach)
            last = None
            for number, _ in self._walk(start):
                last = number
            if last is not None or start == 1:
                return last
            reach *= 8

    def _walk(self, number: int) -> Iterator[tuple[int, _Head]]:
        """Return all headers from a block on, with their numbers. Skips holes and everything that is not a valid
        header."""
        blocks = self.blocks()
        while number < blocks:
            head = self._head(number)
            if head is None:
                number = self._next(number + 1)
            else:
                yield number, head
                number += blocks_of(head.length)

    def _next(self, number: int) -> int:
        """Return the next block with a header, or one beyond the end."""
        while (at := self._data_from(number * BLOCK)) is not None:
            at = at // BLOCK * BLOCK
            window = os.pread(self._descriptor, _WINDOW, at)
            number = at // BLOCK
            for offset in range(0, len(window), BLOCK):
                if self._head_in(number, window[offset : offset + _HEAD.size]) is not None:
                    return number
                number += 1
        return self.blocks()

    def _data_from(self, offset: int) -> int | None:
        """Return where the next written bytes are; None if there are none. Bytes before that read as zeros."""
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            raise

    def _make_hole(self, offset: int, length: int) -> bool:
        """Release space to the file system, and return whether it accepted it."""
        done: int = _libc.fallocate(
            self._descriptor, _PUNCH_HOLE_KEEP_SIZE, ctypes.c_long(offset), ctypes.c_long(length)
        )
        return done == 0


def blocks_of(length: int) -> int:
    """Return how many blocks an object of this size takes."""
    return -(-(_HEAD.size + length) // BLOCK)
