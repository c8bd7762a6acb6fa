"""Reading a file set back: a set counts as made once each of its files has the digest that it was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

#: The file with the SHA-256 digests of all others, as `sha256sum` writes them.
DIGESTS = "DIGESTS.TXT"

_CHUNK = 1 << 20


class NotAsMadeError(OSError):
    """A file set is not what was to be made; the message names a file."""


def digests(text: bytes) -> Iterator[tuple[str, str]]:
    """Yield the path and the digest of each file that DIGESTS.TXT lists."""
    for line in text.decode("ascii").splitlines():
        digest, _, path = line.partition("  ")
        yield path, digest


def read_back(text: bytes, open_file: Callable[[str], BinaryIO]) -> int:
    """Read each file that DIGESTS.TXT lists, and return how many there are.

    Raises `NotAsMadeError` for a file that is missing or has another digest.
    """
    count = 0
    for path, expected in digests(text):
        digest = hashlib.sha256()
        try:
            with open_file(path) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except (OSError, KeyError) as error:
            raise NotAsMadeError(f"{path} cannot be read back: {error}") from error
        if digest.hexdigest() != expected:
            raise NotAsMadeError(f"{path} reads back otherwise than it was written.")
        count += 1
    return count
