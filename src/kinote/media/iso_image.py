"""ISO 9660 images of file sets (PS3.12 F): level 1, without extensions, as IHE PDI asks of CDs; and reading them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from kinote.media.reading_back import DIGESTS, NotAsMadeError, read_back

#: The largest file of an image in bytes: ISO 9660 level 1 has files in one piece, with a size of 32 bits.
LARGEST_FILE = (1 << 32) - 2049


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
    with opened(image) as files:
        if f"/{DIGESTS}" not in files:
            raise NotAsMadeError(f"The image has no {DIGESTS}.")
        with files[f"/{DIGESTS}"]() as file:
            text = file.read()
        return read_back(text, lambda path: files[f"/{path}"]())


@contextmanager
def opened(image: Path) -> Iterator[dict[str, Callable[[], BinaryIO]]]:
    """Open an image, and give what opens each of its files by path, as it is written on the image without version.

    Raises `OSError` where it is none, or damaged.
    """
    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    iso = pycdlib.PyCdlib()
    try:
        iso.open(str(image))
    except (PyCdlibException, ValueError, IndexError) as error:
        raise OSError(f"the image cannot be read: {error}") from error
    try:
        kind = _names(iso)
        found: dict[str, Callable[[], BinaryIO]] = {}
        for folder, _, names in iso.walk(**{kind: "/"}):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                plain = path.split(";")[0].rstrip(".") if kind == "iso_path" else path
                found[plain] = _opener(iso, kind, path)
        yield found
    finally:
        iso.close()


def _names(iso: Any) -> str:
    """Return the names of an image that say most: those of UDF, Joliet or Rock Ridge, where it has them."""
    if iso.has_udf():
        return "udf_path"
    if iso.has_joliet():
        return "joliet_path"
    return "rr_path" if iso.has_rock_ridge() else "iso_path"


def _opener(iso: Any, kind: str, path: str) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, iso.open_file_from_iso(**{kind: path}))
