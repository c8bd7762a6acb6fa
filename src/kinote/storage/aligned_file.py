"""Writes files without the page cache if the file system allows it (O_DIRECT), in blocks from an aligned buffer.

A received image is not read soon, and copying it into the page cache costs more than writing it. File systems
without O_DIRECT (tmpfs, some network file systems) refuse it with EINVAL; then the file is written as usual.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import deque
from pathlib import Path

#: The alignment of offsets, lengths and memory in bytes. 4,096 suits all current disks.
BLOCK = 4096

#: How many bytes are written at once.
BUFFER = 1024 * 1024

#: Buffers for reuse. More are made when needed, and dropped afterwards.
_KEPT = 32

_buffers: deque[mmap.mmap] = deque(maxlen=_KEPT)


def take_buffer() -> mmap.mmap:
    """Return `BUFFER` bytes of aligned memory with arbitrary contents. Give it back when done."""
    try:
        return _buffers.pop()
    except IndexError:
        # Anonymous memory begins at a page boundary.
        return mmap.mmap(-1, BUFFER)


def give_back_buffer(buffer: mmap.mmap) -> None:
    """Give back a buffer. The caller must not use it any more."""
    _buffers.append(buffer)


class AlignedDescriptor:
    """A file that is written in blocks at offsets, without the page cache as far as possible. Raises OSError."""

    def __init__(self, path: Path | str, flags: int, *, direct: bool = True) -> None:
        self.descriptor, self.is_direct = _open(path, flags, direct=direct)

    def write(self, view: memoryview, offset: int) -> None:
        """Write all of the data. Parts that are not whole blocks in an aligned buffer go through the page cache."""
        while view:
            try:
                written = os.pwrite(self.descriptor, view, offset)
            except OSError as error:
                if error.errno != errno.EINVAL or not self.is_direct:
                    raise
                self._go_on_buffered()
                continue
            view = view[written:]
            offset += written
            if self.is_direct and written % BLOCK:
                # The write was cut short by a full disk or a signal, so what follows is not aligned any more.
                self._go_on_buffered()

    def close(self) -> None:
        """May be called again."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _go_on_buffered(self) -> None:
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        self.is_direct = False


class AlignedFile:
    """A new file that is written from its beginning to its end. Raises OSError."""

    def __init__(self, path: Path | str, *, direct: bool = True) -> None:
        self._file = AlignedDescriptor(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, direct=direct)
        self._buffer = take_buffer()
        self._view = memoryview(self._buffer)
        self._filled = 0
        #: How many bytes were written to the file before those in the buffer.
        self._written = 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        view = memoryview(chunk)
        while len(view):
            room = min(BUFFER - self._filled, len(view))
            self._view[self._filled : self._filled + room] = view[:room]
            self._filled += room
            view = view[room:]
            if self._filled == BUFFER:
                self._flush(BUFFER)
                self._written += BUFFER
                self._filled = 0

    @property
    def is_direct(self) -> bool:
        return self._file.is_direct

    def finish(self) -> None:
        """Write the rest, and make the data durable."""
        if self._filled:
            if self.is_direct:
                whole = -(-self._filled // BLOCK) * BLOCK
                self._view[self._filled : whole] = bytes(whole - self._filled)
                self._flush(whole)
                if whole != self._filled:
                    os.ftruncate(self._file.descriptor, self._written + self._filled)
            else:
                self._flush(self._filled)
        os.fdatasync(self._file.descriptor)

    @property
    def is_closed(self) -> bool:
        return self._file.descriptor < 0

    def close(self) -> None:
        """May be called again."""
        if self.is_closed:
            return
        self._view.release()
        give_back_buffer(self._buffer)
        self._file.close()

    def _flush(self, length: int) -> None:
        self._file.write(self._view[:length], self._written)


def _open(path: Path | str, flags: int, *, direct: bool) -> tuple[int, bool]:
    flags |= os.O_CLOEXEC
    if direct:
        try:
            return os.open(path, flags | os.O_DIRECT, 0o640), True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        # Some systems have created the file by then.
        flags &= ~os.O_EXCL
    return os.open(path, flags, 0o640), False
