"""Compares bytes with the digest of what was received while they are read (law 7).

An object of up to `WHOLE` bytes is read into memory and compared before the first byte is handed out. A larger one is
compared piece by piece, so a range costs no more time and memory than the pieces that contain it.
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

#: The largest object, in bytes, that is compared as a whole before its first byte goes out.
WHOLE = 8 * 1024 * 1024

#: The ways in which bytes can differ from those that were received.
Difference = Literal["missing", "shorter", "longer", "altered"]


class DiffersError(Exception):
    """The stored bytes are not the ones that were received."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(f"The stored bytes are {difference}")
        self.difference = difference


def open_stored(stores: Stores, stored: Stored) -> BinaryIO:
    """Open the stored file at the beginning of its data set.

    Raises `DiffersError` if the file does not exist, and `StorageError` if that cannot be determined.
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
    """Return whether the bytes of an object exist. Raises `StorageError` if that cannot be determined."""
    try:
        open_stored(stores, stored).close()
    except DiffersError:
        return False
    return True


def whole(file: BinaryIO, stored: Stored) -> bytes:
    """Read and compare all bytes of an object. Raises `DiffersError`, and `OSError` if the store does."""
    # One byte more, so that an object that has grown is noticed.
    data = file.read(stored.size + 1)
    _require_size(len(data), stored)
    if digest_of(data, stored.digest_algorithm).root != stored.digest:
        raise DiffersError("altered")
    return data


def look_through(
    file: BinaryIO, stored: Stored, passed: Callable[[int], object] = lambda number: None
) -> Digest:
    """Compare an object of any size. Return its digest by the current algorithm, with those of its pieces.

    `passed` is called with the size of each piece. Raises as `whole` does.
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
    """A large data set as a file. Each piece is compared before any of its bytes is handed out.

    `refuse` makes the error for bytes that differ, `fail` the one for bytes that cannot be read now.
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
        """Return a compared piece. The last one stays in memory."""
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
