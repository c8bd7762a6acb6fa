"""A sequence of new bytes and of ranges of a file that are not read yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from kinote.dicom.files.piecewise_file import PiecewiseFile

Span = tuple[int, int]
"""The offset of a range in the (inflated) data set, and its length in bytes."""

Piece = bytes | Span


class Pieces:
    """A sequence of pieces, and their total length in bytes."""

    __slots__ = ("_pieces", "size")

    def __init__(self, *pieces: bytes) -> None:
        self._pieces: list[Piece] = [*pieces]
        self.size = sum(map(len, pieces))

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self.size += len(data)

    def add_span(self, offset: int, length: int) -> None:
        self._pieces.append((offset, length))
        self.size += length

    def extend(self, others: Pieces) -> None:
        self._pieces += others._pieces
        self.size += others.size

    def __iter__(self) -> Iterator[Piece]:
        """Yield the pieces, without empty ones. Adjacent bytes are joined."""
        together: list[bytes] = []
        for piece in self._pieces:
            if isinstance(piece, bytes):
                if piece:
                    together.append(piece)
                continue
            if together:
                yield b"".join(together)
                together = []
            if piece[1]:
                yield piece
        if together:
            yield b"".join(together)


class PiecedFile(PiecewiseFile):
    """Pieces as a file. Ranges are read from `file` when they are reached; its data set begins at `base`.

    Closing it closes `file`.
    """

    def __init__(self, file: BinaryIO, base: int, pieces: Pieces) -> None:
        super().__init__(file, pieces.size)
        self._base = base
        self._pieces: Sequence[Piece] = list(pieces)
        #: The piece that was read last, and its offset.
        self._number = self._begin = 0

    def read_piece(self, at: int, wanted: int) -> bytes:
        if at < self._begin:
            self._number = self._begin = 0
        while True:
            piece = self._pieces[self._number]
            length = len(piece) if isinstance(piece, bytes) else piece[1]
            if at < self._begin + length:
                break
            self._begin += length
            self._number += 1
        within = at - self._begin
        if isinstance(piece, bytes):
            return piece[within : within + wanted]
        self.file.seek(self._base + piece[0] + within)
        part = self.file.read(min(wanted, length - within))
        if not part:
            raise OSError("The stored data set ends too early")
        return part


def joined(data: bytes, pieces: Pieces) -> bytes:
    """Return all pieces as bytes, with ranges from a data set in memory."""
    view = memoryview(data)
    return b"".join(
        [piece if isinstance(piece, bytes) else view[piece[0] : piece[0] + piece[1]] for piece in pieces]
    )
