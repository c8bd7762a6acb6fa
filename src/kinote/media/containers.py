"""File sets as streams: ZIP and tar, made while their members are, in memory that does not grow with them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

#: The oldest date that a ZIP file can name. The members bear it: the same export gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)

#: Compression that costs little. Members that are compressed already gain nothing, and lose nothing.
_LEVEL = 1

_MODE = 0o644

#: From this size on, in bytes, a member is written as ZIP64 has it; below, every reader can read it. It is somewhat
#: below 2 GiB, since deflate makes a little more of what is compressed already.
_LARGE = (1 << 31) - (1 << 24)


class SizeError(ValueError):
    """A member has not as many bytes as was said."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a set: its path in it, its size in bytes, and its content, which is read once."""

    path: str
    size: int
    chunks: Iterator[bytes]


def zipped(files: Iterator[File]) -> Iterator[bytes]:
    """Yield a ZIP file. It can be opened only when it is whole: its directory is at its end."""
    written = _Written()
    with zipfile.ZipFile(cast(BinaryIO, written), "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.path, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _MODE << 16
            with archive.open(info, "w", force_zip64=file.size >= _LARGE) as member:
                for chunk in _checked(file):
                    member.write(chunk)
                    yield from written.take()
            yield from written.take()
    yield from written.take()


def tarred(files: Iterator[File]) -> Iterator[bytes]:
    """Yield a tar file, whose members can be taken out of it as it comes."""
    for file in files:
        info = tarfile.TarInfo(file.path)
        info.size, info.mode = file.size, _MODE
        yield info.tobuf(tarfile.GNU_FORMAT)
        yield from _checked(file)
        yield bytes(-file.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _checked(file: File) -> Iterator[bytes]:
    """Yield the content of a file. Raises `SizeError` at its end where it is shorter, or longer, than was said."""
    size = 0
    for chunk in file.chunks:
        size += len(chunk)
        if size > file.size:
            break
        yield chunk
    if size != file.size:
        raise SizeError(f"{file.path} has not {file.size} bytes, as was said, but {size}.")


class _Written(io.RawIOBase):
    """What a ZIP file writes, until it is taken. It cannot be moved in, so sizes stand behind the members."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> list[bytes]:
        taken, self._pieces = self._pieces, []
        return taken
