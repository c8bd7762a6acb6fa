"""Digests of data sets, taken as bytes pass, whole and piece by piece.

BLAKE3 of each piece of 1 MB, and a root over these: so a range, or a large object on its way out, is checked without
reading all of it. Of a data set of one piece the root is the digest of the piece; of several, that of their
digests one after the other. The name of the algorithm is stored beside each digest; SHA-256 is that of indexes from
before, whose digests stay valid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from blake3 import blake3

#: Bytes of a piece; the last is what is left.
PIECE = 1024 * 1024

#: Bytes of a piece's digest.
PIECE_DIGEST = 32

BLAKE3 = "blake3-1m"
SHA256 = "sha256"

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Digest:
    """What was found: `root` in hex, and the digests of the pieces one after the other where there are several."""

    algorithm: str
    root: str
    pieces: bytes = b""


class Digesting(Protocol):
    """A digest being taken."""

    def update(self, chunk: Bytes, /) -> object:
        """The next bytes."""

    def finish(self) -> Digest:
        """All bytes have come."""


class PieceDigests:
    """BLAKE3 by pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._hasher = blake3()
        self._left = PIECE

    def update(self, chunk: Bytes, /) -> None:
        if len(chunk) <= self._left:
            self._hasher.update(chunk)
            self._left -= len(chunk)
            return
        view = memoryview(chunk)
        while len(view):
            if not self._left:
                self._pieces.append(self._hasher.digest())
                self._hasher = blake3()
                self._left = PIECE
            taken = view[: self._left]
            self._hasher.update(taken)
            self._left -= len(taken)
            view = view[len(taken) :]

    def finish(self) -> Digest:
        last = self._hasher.digest()
        if not self._pieces:
            return Digest(BLAKE3, last.hex())
        pieces = b"".join([*self._pieces, last])
        return Digest(BLAKE3, root_of(pieces), pieces)


class _Sha256:
    """As it was taken before."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def update(self, chunk: Bytes, /) -> None:
        self._hasher.update(chunk)

    def finish(self) -> Digest:
        return Digest(SHA256, self._hasher.hexdigest())


_ALGORITHMS: dict[str, type[PieceDigests] | type[_Sha256]] = {BLAKE3: PieceDigests, SHA256: _Sha256}


class UnknownAlgorithmError(ValueError):
    """A digest was taken in a way that this version does not know."""


def digesting(algorithm: str = BLAKE3) -> Digesting:
    """A digest to be taken. Raises `UnknownAlgorithmError`."""
    found = _ALGORITHMS.get(algorithm)
    if found is None:
        raise UnknownAlgorithmError(f"No digest is known by the name of {algorithm[:40]!r}")
    return found()


def root_of(pieces: bytes) -> str:
    """The root over the digests of several pieces, one after the other."""
    return blake3(pieces).hexdigest()


def digest_of(data: Bytes, algorithm: str = BLAKE3) -> Digest:
    """The digest of bytes in memory."""
    if algorithm == BLAKE3 and len(data) <= PIECE:
        return Digest(BLAKE3, blake3(data).hexdigest())
    taken = digesting(algorithm)
    taken.update(data)
    return taken.finish()
