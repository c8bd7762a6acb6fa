"""Locates the fragments of a frame in encapsulated pixel data (PS3.5 Annex A.4).

Only the necessary item headers are read, never the pixel data between them.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

from kinote.dicom.pixels.pixel_format import PictureError

_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0"
_MAX_FRAGMENTS = 4_000_000

#: No object is longer, in bytes. All file systems and files in memory can seek this far.
_FARTHEST = 1 << 43

#: The first bytes of the codestreams of DICOM: JPEG and JPEG-LS (SOI), JPEG 2000 (SOC, or the boxes of a JP2 file).
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0c\x6a\x50\x20\x20")
_ENDINGS = (b"\xff\xd9",)  # EOI and EOC are the same two bytes


class EncapsulatedFrames:
    """Locates the fragments of each frame of pixel data that begins at `start` of a file.

    `extended` are the offsets and lengths of the Extended Offset Table, if there is one. Otherwise the Basic Offset
    Table is used. Without either, each fragment is one frame; if there are more fragments than frames, the start and
    end markers of the codestreams separate the frames.
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        count: int,
        extended: tuple[Sequence[int], Sequence[int]] | None = None,
    ) -> None:
        self._file = file
        self._count = count
        self._extended = extended
        table, self._first = self._offset_table(start)
        self._table = table if _usable(table, count) else array("Q")
        self._groups: list[list[tuple[int, int]]] | None = None

    def fragments(self, number: int) -> list[tuple[int, int]]:
        """Return the offset in the file and the length of each fragment of frame `number`, counted from 1."""
        if self._extended is not None:
            found = self._by_extended_table(number, *self._extended)
            if found:
                return found
        if self._table:
            found = self._by_table(number)
            if found:
                return found
        if self._groups is None:
            self._groups = self._told_apart(list(self._walk(self._first)))
        if number > len(self._groups):
            raise PictureError(
                f"The pixel data holds {len(self._groups)} of the {self._count} frames the header says."
            )
        return self._groups[number - 1]

    def _offset_table(self, start: int) -> tuple[array[int], int]:
        head = self._read(start, 8)
        if len(head) < 8 or head[:4] != _ITEM:
            raise PictureError("The pixel data is damaged: it does not begin with a Basic Offset Table item.")
        length = struct.unpack("<I", head[4:])[0]
        if length > 4 * _MAX_FRAGMENTS:
            raise PictureError("The pixel data is damaged: its Basic Offset Table is larger than any can be.")
        value = self._read(start + 8, length)
        table = array("Q", struct.unpack(f"<{len(value) // 4}I", value[: len(value) // 4 * 4]))
        return table, start + 8 + length

    def _by_extended_table(
        self, number: int, offsets: Sequence[int], lengths: Sequence[int]
    ) -> list[tuple[int, int]]:
        if number > len(offsets) or number > len(lengths):
            return []
        for offset, length in self._walk(self._first + offsets[number - 1]):
            return [(offset, min(lengths[number - 1], length))]
        return []

    def _by_table(self, number: int) -> list[tuple[int, int]]:
        begin = self._first + self._table[number - 1]
        if number == self._count:
            return list(self._walk(begin))
        end = self._first + self._table[number]
        found = list(self._walk(begin, end))
        return found if found and sum(found[-1]) == end else []

    def _walk(self, position: int, stop: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield the fragments from an item to the end of the sequence or of the file."""
        for _ in range(_MAX_FRAGMENTS):
            if stop is not None and position >= stop:
                return
            head = self._read(position, 8)
            if len(head) < 8 or head[:4] != _ITEM:
                return
            length = struct.unpack("<I", head[4:])[0]
            if length == 0xFFFFFFFF:
                raise PictureError("The pixel data is damaged: one of its fragments has no length.")
            yield position + 8, length
            position += 8 + length
        raise PictureError(f"The pixel data has more than {_MAX_FRAGMENTS} fragments.")

    def _told_apart(self, fragments: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        if self._count == 1:
            return [fragments] if fragments else []
        if len(fragments) <= self._count:
            return [[fragment] for fragment in fragments]
        groups: list[list[tuple[int, int]]] = []
        ended = True
        for offset, length in fragments:
            begins = self._read(offset, min(length, 8)).startswith(_BEGINNINGS)
            if begins and ended:
                groups.append([])
            if not groups:
                break
            groups[-1].append((offset, length))
            tail = self._read(offset + max(length - 8, 0), min(length, 8))
            ended = tail.rstrip(b"\0").endswith(_ENDINGS)
        if len(groups) != self._count:
            raise PictureError(
                f"The pixel data has {len(fragments)} fragments for {self._count} frames, no offset table, "
                "and its frames cannot be told apart."
            )
        return groups

    def _read(self, offset: int, length: int) -> bytes:
        if offset > _FARTHEST:
            # Extended offsets have 64 bits. Seeking too far raises OverflowError or OSError.
            raise PictureError(
                "The pixel data is damaged: its offset table points beyond the end of any object."
            )
        self._file.seek(offset)
        return self._file.read(length)


def _usable(table: Sequence[int], count: int) -> bool:
    """Return whether a Basic Offset Table is valid: an entry for each frame, ascending, the first at the first
    fragment.
    """
    return len(table) == count and table[0] == 0 and all(a < b for a, b in pairwise(table))
