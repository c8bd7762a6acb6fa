"""Adds objects to a pack: a group with one write without the page cache and one sync.

Space is allocated some way ahead, so that syncing a group need not update the file's size or allocate blocks.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from kinote.storage.aligned_file import BUFFER, AlignedDescriptor, give_back_buffer, take_buffer
from kinote.storage.packs.pack import BLOCK, Pack, blocks_of

#: How many bytes are allocated at once. They read as zeros until they are written.
AHEAD = 16 * 1024 * 1024

#: The errors of file systems that cannot allocate space ahead.
_CANNOT = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


class PackWriter:
    """Adds to a pack, in one process (`lock.PackLock`) and by one thread at a time. Raises OSError."""

    def __init__(self, pack: Pack, *, ahead: int = AHEAD) -> None:
        self._pack = pack
        self._end = pack.end()
        self._ready = pack.blocks()
        self._ahead = ahead
        self._file = AlignedDescriptor(pack.path, os.O_WRONLY)
        #: After a failed sync, the state of earlier writes is unknown.
        self.is_in_doubt = False

    @classmethod
    def take(cls, pack: Pack, *, ahead: int = AHEAD) -> PackWriter | None:
        """Continue a pack; None if something lies behind its last object that may belong to somebody.

        A power cut can cause this, and so can damage to the header of an object.
        """
        writer = cls(pack, ahead=ahead)
        if pack.is_blank_from(writer._end):
            return writer
        writer._file.close()
        return None

    @property
    def size(self) -> int:
        """The number of bytes up to the end of the last object."""
        return self._end * BLOCK

    def add(self, objects: Sequence[bytes | bytearray]) -> list[int]:
        """Add objects durably, and return their numbers. If it fails, none of them has one."""
        end = self._end + sum(blocks_of(len(each)) for each in objects)
        self._make_ready(end)
        numbers = self._write(objects)
        try:
            os.fdatasync(self._file.descriptor)
        except OSError:
            self.is_in_doubt = True
            raise
        self._end = end
        return numbers

    def close(self) -> None:
        """End adding, and release the space allocated ahead."""
        if not self.is_in_doubt:
            os.ftruncate(self._file.descriptor, self._end * BLOCK)
        self._file.close()

    def _make_ready(self, end: int) -> None:
        """Allocate space up to a block, and some way beyond it."""
        for until in (end + self._ahead // BLOCK, end):
            if end <= self._ready:
                return
            try:
                os.posix_fallocate(self._file.descriptor, self._ready * BLOCK, (until - self._ready) * BLOCK)
            except OSError as error:
                if error.errno in _CANNOT:
                    # Then blocks are allocated when they are written, as in any file.
                    self._ready = sys.maxsize
                elif error.errno != errno.ENOSPC or until == end:
                    raise
            else:
                self._ready = until

    def _write(self, objects: Sequence[bytes | bytearray]) -> list[int]:
        buffer = take_buffer()
        numbers = []
        number, written, filled = self._end, self._end * BLOCK, 0
        try:
            with memoryview(buffer) as view:
                for each in objects:
                    numbers.append(number)
                    blocks = blocks_of(len(each))
                    number += blocks
                    head = self._pack.head(numbers[-1], len(each))
                    padding = bytes(blocks * BLOCK - len(head) - len(each))
                    for part in (head, each, padding):
                        left = memoryview(part)
                        while left:
                            room = min(BUFFER - filled, len(left))
                            view[filled : filled + room] = left[:room]
                            left = left[room:]
                            filled += room
                            if filled == BUFFER:
                                self._file.write(view, written)
                                written += BUFFER
                                filled = 0
                if filled:
                    self._file.write(view[:filled], written)
        finally:
            give_back_buffer(buffer)
        return numbers
