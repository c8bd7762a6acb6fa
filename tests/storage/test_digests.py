"""Digests of whole data sets and of their pieces."""

from __future__ import annotations

import hashlib
import os

import pytest
from blake3 import blake3

from kinote.storage.digests import (
    BLAKE3,
    PIECE,
    PIECE_DIGEST,
    SHA256,
    PieceDigests,
    UnknownAlgorithmError,
    digest_of,
    digesting,
)

SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1000, 65_536, PIECE, 3 * PIECE])
def test_the_root_is_over_the_digests_of_the_pieces_however_bytes_come(size: int, step: int) -> None:
    data = os.urandom(size)
    taken = PieceDigests()
    for start in range(0, size, step):
        taken.update(memoryview(data)[start : start + step])
    found = taken.finish()
    pieces = [blake3(data[at : at + PIECE]).digest() for at in range(0, max(size, 1), PIECE)]
    if len(pieces) == 1:
        assert (found.root, found.pieces) == (pieces[0].hex(), b"")
    else:
        assert found.pieces == b"".join(pieces)
        assert found.root == blake3(found.pieces).hexdigest()
        assert len(found.pieces) == PIECE_DIGEST * len(pieces)
    assert found == digest_of(data)
    assert found.algorithm == BLAKE3


def test_digests_from_before_are_those_of_sha_256() -> None:
    data = os.urandom(PIECE + 5)
    found = digest_of(data, SHA256)
    assert (found.algorithm, found.root, found.pieces) == (SHA256, hashlib.sha256(data).hexdigest(), b"")


def test_an_algorithm_of_a_newer_version_is_said() -> None:
    with pytest.raises(UnknownAlgorithmError, match="blake9"):
        digesting("blake9")
