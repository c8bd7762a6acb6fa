"""Rewrites deflated data sets (PS3.5 A.5): inflated and deflated again while they stream."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.overlay.pieces import Pieces

#: The largest result kept in memory, in bytes. A larger one is an unnamed temporary file.
_IN_MEMORY = 8 * 1024 * 1024

_DEFLATED_AT_ONCE, _INFLATED_AT_ONCE = 1 << 14, 1 << 18


def deflated(file: BinaryIO, size: int, pieces: Pieces, end: int) -> DataSet:
    """Deflate pieces. Their ranges are of the inflated data set of `file`, in ascending order.

    The data set was walked up to `end`. What follows is padding, and is passed on. Raises `OSError` if the file cannot
    be read, or the result cannot be stored.
    """
    inflating = _Inflating(file, size)
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    out = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the receiver closes it
    try:
        for piece in pieces:
            for part in [piece] if isinstance(piece, bytes) else inflating.range(*piece):
                out.write(deflating.compress(part))
        for part in inflating.range(end, None):
            out.write(deflating.compress(part))
        out.write(deflating.flush())
        written = out.tell()
        if written & 1:
            out.write(b"\0")
            written += 1
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return DataSet(cast(BinaryIO, out), written)


class _Inflating:
    """Reads an inflated data set from its beginning to its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._have = b""
        self._at = 0

    def range(self, offset: int, length: int | None) -> Iterator[bytes]:
        """Read a range behind what was read before; up to the end if it has no length."""
        while self._at < offset:
            self._at += len(self._take(offset - self._at))
        while length is None or length > 0:
            part = self._take(_INFLATED_AT_ONCE if length is None else length, may_end=length is None)
            if not part:
                return
            self._at += len(part)
            length = None if length is None else length - len(part)
            yield part

    def _take(self, most: int, *, may_end: bool = False) -> bytes:
        while not self._have:
            pending = self._inflate.unconsumed_tail
            if not pending and not self._inflate.eof:
                pending = self._file.read(min(_DEFLATED_AT_ONCE, self._left))
                self._left -= len(pending)
            self._have = self._inflate.decompress(pending, _INFLATED_AT_ONCE)
            if not self._have and not pending:
                if may_end:
                    return b""
                raise OSError("The stored data set ends too early")
        part, self._have = self._have[:most], self._have[most:]
        return part
