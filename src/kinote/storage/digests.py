"""Digests of data sets, computed while bytes pass, of the whole and of pieces.

BLAKE3 of each piece of 1 MB, and a root over these, so that a range or a large object can be checked on its way out
without reading all of it. If a data set has one piece, the root is that piece's digest; otherwise it is the digest
of all piece digests one after the other. The algorithm's name is stored with each digest. SHA-256 is the algorithm
of older indexes, whose digests stay valid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from blake3 import blake3

#: The size of a piece in bytes; the last one may be shorter.
PIECE = 1024 * 1024

#: The size of a piece's digest in bytes.
PIECE_DIGEST = 32

BLAKE3 = "blake3-1m"
SHA256 = "sha256"

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest: `root` in hex, and the digests of the pieces one after the other if there are several."""

    algorithm: str
    root: str
    pieces: bytes = b""


class Digesting(Protocol):
    """A digest that is being computed."""

    def update(self, chunk: Bytes, /) -> object:
        """Process the next bytes."""

    def finish(self) -> Digest:
        """Return the digest of all bytes."""


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
    """The digest of older indexes."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def update(self, chunk: Bytes, /) -> None:
        self._hasher.update(chunk)

    def finish(self) -> Digest:
        return Digest(SHA256, self._hasher.hexdigest())


_ALGORITHMS: dict[str, type[PieceDigests] | type[_Sha256]] = {BLAKE3: PieceDigests, SHA256: _Sha256}


class UnknownAlgorithmError(ValueError):
    """The algorithm of a digest is not known to this version."""


def digesting(algorithm: str = BLAKE3) -> Digesting:
    """Begin a digest. Raises `UnknownAlgorithmError`."""
    found = _ALGORITHMS.get(algorithm)
    if found is None:
        raise UnknownAlgorithmError(f"No digest is known by the name of {algorithm[:40]!r}")
    return found()


def root_of(pieces: bytes) -> str:
    """Return the root over the digests of several pieces, one after the other."""
    return blake3(pieces).hexdigest()


def digest_of(data: Bytes, algorithm: str = BLAKE3) -> Digest:
    """Return the digest of bytes in memory."""
    if algorithm == BLAKE3 and len(data) <= PIECE:
        return Digest(BLAKE3, blake3(data).hexdigest())
    taken = digesting(algorithm)
    taken.update(data)
    return taken.finish()
