"""Adding objects to a pack: a group with one write past the page cache and one sync.

Room is taken some way ahead, so that the sync of a group has neither a size nor blocks to look for.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping

from kinote.storage.aligned_file import BUFFER, AlignedDescriptor, give_back_buffer, take_buffer
from kinote.storage.packs.pack import BLOCK, Pack, blocks_of

#: Bytes that room is taken for at once. They read as zeros until they are written.
AHEAD = 16 * 1024 * 1024


class PackWriter:
    """Who adds to a pack: one process (`lock.PackLock`), by one thread at a time. Raises OSError."""

    def __init__(self, pack: Pack, *, ahead: int = AHEAD) -> None:
        self._pack = pack
        self._end = pack.end()
        self._ready = pack.blocks()
        self._ahead = ahead
        self._file = AlignedDescriptor(pack.path, os.O_WRONLY)
        #: After a sync that failed nobody knows what has become of what was written before it.
        self.is_in_doubt = False

    @classmethod
    def take(cls, pack: Pack, *, ahead: int = AHEAD) -> PackWriter | None:
        """To go on with a pack; None if something lies behind its last object that may be somebody's.

        A power cut can leave that, or damage to the head of an object.
        """
        writer = cls(pack, ahead=ahead)
        if pack.is_blank_from(writer._end):
            return writer
        writer._file.close()
        return None

    @property
    def size(self) -> int:
        """Bytes up to the end of the last number."""
        return self._end * BLOCK

    def reserve(self, lengths: Iterable[int]) -> list[int]:
        """Numbers for objects of these lengths, which nobody else gets. They are written later, or never."""
        numbers = []
        for length in lengths:
            numbers.append(self._end)
            self._end += blocks_of(length)
        return numbers

    def write(self, objects: Mapping[int, bytes | bytearray]) -> None:
        """Write objects under numbers that were reserved for them, durably. If it fails none of them is there."""
        if self.is_in_doubt:
            raise OSError(errno.EIO, "The disk has failed in a way that leaves open what is in this pack")
        self._make_ready()
        self._write(objects)
        try:
            os.fdatasync(self._file.descriptor)
        except OSError:
            self.is_in_doubt = True
            raise

    def close(self) -> None:
        """Nothing more is added; what was kept ready is given back."""
        if not self.is_in_doubt:
            os.ftruncate(self._file.descriptor, self._end * BLOCK)
        self._file.close()

    def _make_ready(self) -> None:
        """Have room for all that has a number, and some more."""
        if self._end > self._ready:
            until = self._end + self._ahead // BLOCK
            os.posix_fallocate(self._file.descriptor, self._ready * BLOCK, (until - self._ready) * BLOCK)
            self._ready = until

    def _write(self, objects: Mapping[int, bytes | bytearray]) -> None:
        buffer = take_buffer()
        try:
            with memoryview(buffer) as view:
                begin = filled = 0
                for number in sorted(objects):
                    if number * BLOCK != begin + filled:
                        self._file.write(view[:filled], begin)
                        begin, filled = number * BLOCK, 0
                    content = objects[number]
                    head = self._pack.head(number, len(content))
                    padding = bytes(blocks_of(len(content)) * BLOCK - len(head) - len(content))
                    for part in (head, content, padding):
                        left = memoryview(part)
                        while left:
                            room = min(BUFFER - filled, len(left))
                            view[filled : filled + room] = left[:room]
                            left = left[room:]
                            filled += room
                            if filled == BUFFER:
                                self._file.write(view, begin)
                                begin += BUFFER
                                filled = 0
                self._file.write(view[:filled], begin)
        finally:
            give_back_buffer(buffer)
