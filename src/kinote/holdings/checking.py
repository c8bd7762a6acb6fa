"""Bytes compared with the digest of what was received, as they are read (law 7).

Up to `WHOLE` an object is read once, into memory, and compared before anybody gets a byte of it. A larger one is
compared piece by piece, so that neither a range nor memory costs more than the pieces that it lies in.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, Literal

from kinote.dicom.files.piecewise_file import PiecewiseFile
from kinote.holdings.stored import Stored
from kinote.storage.digests import BLAKE3, PIECE, PIECE_DIGEST, Digest, digest_of, digesting
from kinote.storage.store import MissingObjectError
from kinote.storage.stores import Stores

#: Bytes of an object that is compared whole before its first byte goes out.
WHOLE = 8 * 1024 * 1024

#: In what bytes can differ from those that were received.
Difference = Literal["missing", "shorter", "longer", "altered"]


class DiffersError(Exception):
    """What is stored is not what was received."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(f"The stored bytes are {difference}")
        self.difference = difference


def open_stored(stores: Stores, stored: Stored) -> BinaryIO:
    """The stored file at the beginning of its data set.

    Raises `DiffersError` if it is not there, `StorageError` if that cannot be told.
    """
    if stored.file_key is None:
        if stored.dataset is None:
            raise DiffersError("missing")
        return io.BytesIO(stored.dataset)
    try:
        return stores.open(stored.store, stored.file_key, stored.dataset_offset, buffered=False)
    except MissingObjectError:
        raise DiffersError("missing") from None


def is_there(stores: Stores, stored: Stored) -> bool:
    """Whether there are bytes of it at all. Raises `StorageError` if that cannot be told."""
    try:
        open_stored(stores, stored).close()
    except DiffersError:
        return False
    return True


def whole(file: BinaryIO, stored: Stored) -> bytes:
    """All bytes of an object, once they have been compared. Raises `DiffersError`, and `OSError` if the store does."""
    # One byte more: an object that has grown is another one.
    data = file.read(stored.size + 1)
    _require_size(len(data), stored)
    if digest_of(data, stored.digest_algorithm).root != stored.digest:
        raise DiffersError("altered")
    return data


def look_through(
    file: BinaryIO, stored: Stored, passed: Callable[[int], object] = lambda number: None
) -> Digest:
    """Compare an object of any size; gives its digest as it is taken today, with those of its pieces.

    `passed` is told of every piece how many bytes it has. Raises as `whole` does.
    """
    as_before = digesting(stored.digest_algorithm)
    today = as_before if stored.digest_algorithm == BLAKE3 else digesting()
    size = 0
    while piece := file.read(PIECE):
        size += len(piece)
        if size > stored.size:
            break
        as_before.update(piece)
        if today is not as_before:
            today.update(piece)
        passed(len(piece))
    _require_size(size, stored)
    found = as_before.finish()
    if found.root != stored.digest:
        raise DiffersError("altered")
    return found if today is as_before else today.finish()


def _require_size(size: int, stored: Stored) -> None:
    if size != stored.size:
        raise DiffersError("shorter" if size < stored.size else "longer")


class CheckedFile(PiecewiseFile):
    """A large data set as a file by itself, each piece of which is compared before anybody gets a byte of it.

    `refuse` gives the error to raise for bytes that differ, `fail` that for bytes that cannot be read now.
    """

    def __init__(
        self,
        file: BinaryIO,
        stored: Stored,
        pieces: bytes,
        refuse: Callable[[Difference], Exception],
        fail: Callable[[OSError], Exception],
    ) -> None:
        super().__init__(file, stored.size)
        self._offset = stored.dataset_offset
        self._pieces = pieces
        self._refuse = refuse
        self._fail = fail
        self._number = -1
        self._piece = b""
        try:
            end = file.seek(0, io.SEEK_END)
        except OSError as error:
            raise fail(error) from error
        if end != self._offset + self.size:
            raise DiffersError("shorter" if end < self._offset + self.size else "longer")

    def read_piece(self, at: int, wanted: int) -> bytes:
        number, within = divmod(at, PIECE)
        return self._checked(number)[within : within + wanted]

    def _checked(self, number: int) -> bytes:
        """A piece; the last one that was asked for stays in memory."""
        if number != self._number:
            begin = number * PIECE
            try:
                self.file.seek(self._offset + begin)
                piece = self.file.read(min(PIECE, self.size - begin))
            except OSError as error:
                raise self._fail(error) from error
            digest = self._pieces[number * PIECE_DIGEST : (number + 1) * PIECE_DIGEST]
            if digest_of(piece).root != digest.hex():
                raise self._refuse("altered")
            self._number, self._piece = number, piece
        return self._piece
