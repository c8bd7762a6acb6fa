"""ISO 9660 images of file sets (PS3.12 F): level 1, without extensions, as IHE PDI asks of CDs; and reading them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from kinote.media.reading_back import DIGESTS, NotAsMadeError, read_back

#: The largest file of an image in bytes: ISO 9660 level 1 has files in one piece, with a size of 32 bits.
LARGEST_FILE = (1 << 32) - 2049

#: Where the first volume descriptor lies, and what those of ISO 9660 and of UDF begin with.
_DESCRIPTOR = 16 * 2048
_VOLUME = b"\x01CD001"
_VOLUMES = (_VOLUME, b"\x00BEA01")


def write_image(folder: Path, image: Path, volume: str) -> None:
    """Write the file set in a folder as an image. Raises `NotAsMadeError` for a file that is too large for it."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=1, vol_ident=volume, sys_ident="", app_ident_str="KINOTE")
    try:
        for path in sorted(folder.rglob("*")):
            place = "/" + path.relative_to(folder).as_posix()
            if path.is_dir():
                iso.add_directory(place)
                continue
            if path.stat().st_size > LARGEST_FILE:
                raise NotAsMadeError(f"{place[1:]} is larger than a file of an ISO 9660 image can be.")
            iso.add_file(str(path), place + (";1" if "." in path.name else ".;1"))
        iso.write(str(image))
    finally:
        iso.close()
    with image.open("rb") as written:
        os.fsync(written.fileno())
        os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_image_back(image: Path) -> int:
    """Compare the files of an image with their digests. Raises `NotAsMadeError`."""
    files = contents(image)
    if f"/{DIGESTS}" not in files:
        raise NotAsMadeError(f"The image has no {DIGESTS}.")
    with files[f"/{DIGESTS}"].open() as file:
        text = file.read()
    return read_back(text, lambda path: files[f"/{path}"].open())


@dataclass(frozen=True, slots=True)
class FileInImage:
    """A file of an image: its size in bytes, and what opens it, as often as wanted and from any thread."""

    size: int
    open: Callable[[], BinaryIO]


def contents(image: Path) -> dict[str, FileInImage]:
    """Return the files of an image by path, as it is written there without version.

    Raises `OSError` where it is none, or damaged.
    """
    import pycdlib

    iso = pycdlib.PyCdlib()
    try:
        iso.open(str(image))
        kind = _names(iso)
        end, volume = image.stat().st_size, iso.pvd.space_size * iso.pvd.logical_block_size()
        found: dict[str, FileInImage] = {}
        for folder, _, names in iso.walk(**{kind: "/"}):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                record = iso.get_record(**{kind: path})
                inode = record.inode
                if inode is None:
                    # A link: what it leads to is listed by itself.
                    continue
                plain = path.split(";")[0].rstrip(".") if kind == "iso_path" else path
                first, size = inode.fp_offset, record.get_data_length()
                # Of an image that was cut off, pycdlib gives the last files as if they were as short.
                is_whole = first + size < end or end >= volume
                found[plain] = FileInImage(
                    size, partial(_opened if is_whole else _cut_off, image, first, size)
                )
        iso.close()
    except OSError:
        raise
    except Exception as error:
        # pycdlib raises what it likes for damaged images; nothing else is done here.
        raise OSError(f"the image cannot be read: {error}") from error
    return found


def may_be_image(file: BinaryIO) -> bool:
    """Return whether a file has a volume descriptor in sector 16 (ECMA-119 8.1)."""
    file.seek(_DESCRIPTOR)
    return file.read(len(_VOLUME)) in _VOLUMES


def _names(iso: Any) -> str:
    """Return the names of an image that say most: those of UDF, Joliet or Rock Ridge, where it has them."""
    if iso.has_udf():
        return "udf_path"
    if iso.has_joliet():
        return "joliet_path"
    return "rr_path" if iso.has_rock_ridge() else "iso_path"


def _opened(image: Path, first: int, size: int) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Extent(image, first, size)))


def _cut_off(_image: Path, _first: int, _size: int) -> BinaryIO:
    raise OSError("the image ends early")


class _Extent(io.RawIOBase):
    """A piece of a file. Raises `OSError` where the file ends before it does."""

    def __init__(self, path: Path, first: int, size: int) -> None:
        self._file = path.open("rb")
        self._file.seek(first)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        if not data and self._left and len(buffer):
            raise OSError("the image ends early")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
