"""Finding files to import: in folders, in ZIP files and ISO images, listed in a DICOMDIR, or single files.

Files are recognized by content, never by name. A file that is not DICOM is reported with the reason.
"""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from kinote.dicom.elements.errors import DicomError
from kinote.dicom.files import dicomdir
from kinote.media import beginnings, iso_image

_HEAD = 4096
_PREFIX = slice(128, 132)

#: A ZIP file may expand to this many times its size. Studies reach 50; ZIP bombs begin in the thousands.
_ZIP_RATIO = 200
#: Up to this many bytes, any ratio is allowed: a small archive of empty images is not an attack.
_ZIP_ALWAYS = 256 * 1024 * 1024
_ZIP_MEMBERS = 1_000_000
_ZIP_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
_ENCRYPTED = 0x1

#: What zipfile and its decompressors raise for damaged files, besides OSError. NotImplementedError, a RuntimeError, is
#: for newer versions of the format, patched data, strong encryption and archives of several disks.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    # Among these is UnicodeDecodeError, for names.
    ValueError,
    LookupError,
    ArithmeticError,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that looks like DICOM. `size` is in bytes. `open` may be called later and more than once.

    Reading raises `OSError` if the file, or the ZIP file that contains it, is damaged.
    """

    name: str
    size: int | None
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that is refused, with the reason as a sentence."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that has not been read yet."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


def sources(paths: Iterable[Path]) -> Iterator[Source | Refusal]:
    """Yield all files below the paths, each folder once and in the order of names, as sources or refusals."""
    for found in _everything(paths):
        yield found if isinstance(found, Refusal) else _recognize(found)


def count(paths: Iterable[Path]) -> int:
    """Count what `sources` will yield without reading the files. Used for progress bars."""
    return sum(1 for _ in _everything(paths))


def _recognize(found: _Found) -> Source | Refusal:
    try:
        with found.open() as file:
            reason = beginnings.why_not_dicom(file.read(_HEAD))
    except OSError as error:
        return Refusal(found.name, f"The file cannot be read: {error.strerror or error}.")
    return Refusal(found.name, reason) if reason else Source(found.name, found.size, found.open)


def _everything(paths: Iterable[Path]) -> Iterator[_Found | Refusal]:
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path.is_dir():
            yield from _folder(path, seen)
        elif _is_dicomdir(path):
            yield from _medium(path)
        else:
            yield from _file(path)


def _folder(root: Path, seen: set[tuple[int, int]]) -> Iterator[_Found | Refusal]:
    """Yield all files below a folder. Links are followed, but no folder is entered twice."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            names = sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            yield Refusal(str(folder), f"The folder cannot be read: {error.strerror or error}.")
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        inner = []
        for name in names:
            path = folder / name
            if path.is_dir():
                inner.append(path)
                continue
            yield from _file(path)
            if name.casefold() == "dicomdir" and _is_dicomdir(path):
                yield from (part for part in _medium(path) if isinstance(part, Refusal))
        waiting.extend(reversed(inner))


def _file(path: Path) -> Iterator[_Found | Refusal]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            yield Refusal(str(path), "This is a device, a pipe or a socket, not a file.")
            return
        with path.open("rb") as file:
            head = file.read(_HEAD)
            is_zip = beginnings.is_zip(head)
            is_image = head[_PREFIX] != b"DICM" and iso_image.may_be_image(file)
    except OSError as error:
        yield Refusal(str(path), f"The file cannot be read: {error.strerror or error}.")
        return
    if is_zip:
        yield from _archive(path)
    elif is_image:
        yield from _image(path)
    else:
        yield _Found(str(path), status.st_size, lambda: path.open("rb"))


def _is_dicomdir(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return beginnings.is_dicomdir(file.read(_HEAD))
    except OSError:
        return False


def _medium(path: Path) -> Iterator[_Found | Refusal]:
    """Yield the files that a DICOMDIR lists, each once. Missing files are refusals."""
    try:
        with path.open("rb") as file:
            records = dicomdir.read(file)
    except (OSError, DicomError) as error:
        yield Refusal(str(path), f"The DICOMDIR cannot be read: {error}.")
        return
    medium = dicomdir.Medium(path.parent)
    for file_id in dict.fromkeys(record.file_id for record in records):
        found = medium.resolve(file_id)
        if found is None:
            name = str(path.parent / "/".join(file_id))
            yield Refusal(name, f"{path.name} lists this file, but it does not exist.")
        else:
            yield from _file(found)


def _archive(path: Path) -> Iterator[_Found | Refusal]:
    try:
        archive = zipfile.ZipFile(path)
        size = path.stat().st_size
    except (OSError, *_DAMAGE) as error:
        yield Refusal(str(path), f"The ZIP file is damaged: {error}.")
        return
    members = [member for member in archive.infolist() if not member.filename.endswith("/")]
    total = sum(member.file_size for member in members)
    if len(members) > _ZIP_MEMBERS or total > max(_ZIP_ALWAYS, _ZIP_RATIO * size):
        yield Refusal(
            str(path),
            f"The ZIP file has {size} bytes but claims to contain {total} bytes in {len(members)} files, which is "
            "too much; unpack it and import the folder if you trust it.",
        )
        return
    yield from _with_absent(path, {member.filename: _member(path, archive, member) for member in members})


def _image(path: Path) -> Iterator[_Found | Refusal]:
    try:
        files = iso_image.contents(path)
    except OSError as error:
        yield Refusal(str(path), f"The ISO image is damaged: {error}.")
        return
    yield from _with_absent(
        path,
        {
            name[1:]: _Found(f"{path}!{name[1:]}", each.size, each.open)
            for name, each in sorted(files.items())
        },
    )


def _with_absent(path: Path, files: Mapping[str, _Found | Refusal]) -> Iterator[_Found | Refusal]:
    """Yield the files of a container, and a refusal for each that a DICOMDIR among them lists and that is not there.

    The content counts, not the DICOMDIR: what it does not list is imported all the same.
    """
    listed = dicomdir.Listed(files)
    for name, found in files.items():
        yield found
        folder, _, last = name.rpartition("/")
        if isinstance(found, Refusal) or not last.casefold().startswith("dicomdir"):
            continue
        try:
            with found.open() as file:
                if not beginnings.is_dicomdir(file.read(_HEAD)):
                    continue
            with found.open() as file:
                records = dicomdir.read(file)
        except (OSError, DicomError) as error:
            yield Refusal(found.name, f"The DICOMDIR cannot be read: {error}.")
            continue
        for file_id in dict.fromkeys(record.file_id for record in records):
            if not listed.has(folder, file_id):
                yield Refusal(
                    f"{path}!{'/'.join((folder, *file_id)).lstrip('/')}",
                    f"{last} lists this file, but it does not exist.",
                )


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Found | Refusal:
    name = f"{path}!{member.filename}"
    if member.flag_bits & _ENCRYPTED:
        return Refusal(
            name, "The file is encrypted; unpack the ZIP file with its password and import the folder."
        )
    if member.compress_type not in _ZIP_METHODS:
        return Refusal(name, f"The file is compressed with the unsupported method {member.compress_type}.")
    return _Found(name, member.file_size, lambda: _open_member(archive, member))


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    try:
        return cast(BinaryIO, BufferedReader(_Member(cast(BinaryIO, archive.open(member)))))
    except _DAMAGE as error:
        raise OSError(f"the ZIP file is damaged: {error}") from error


class _Member(RawIOBase):
    """A stream of a member of a ZIP file. Raises `OSError` if it is damaged, as any file does."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except _DAMAGE as error:
            raise OSError(f"the ZIP file is damaged: {error}") from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
