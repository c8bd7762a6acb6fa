"""A file assembled from pieces as it is read."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import BinaryIO


class PiecewiseFile(io.RawIOBase):
    """A readable, seekable file of `size` bytes, which come from another file. Closing it closes that one.

    A subclass reads one piece at a time (`read_piece`), so that memory does not grow with the size.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self.file = file
        self.size = size
        self._at = 0

    @abstractmethod
    def read_piece(self, at: int, wanted: int) -> bytes:
        """Read some of the bytes from a position that is below the size: at least one, at most `wanted`."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(origin + offset, 0)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(self.size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        taken = []
        while wanted:
            part = self.read_piece(self._at, wanted)
            taken.append(part)
            self._at += len(part)
            wanted -= len(part)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()
