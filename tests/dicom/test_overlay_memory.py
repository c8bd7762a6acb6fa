"""What an overlay costs in memory: its head, whatever the object's size."""

from __future__ import annotations

import io
import random
import tracemalloc
import zlib
from typing import BinaryIO, cast

import pytest

from kinote.dicom.dictionary.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
)
from kinote.dicom.files.data_set_file import DataSet
from kinote.dicom.overlay.applying import overlaid
from tests.dicom.elements import Writer
from tests.dicom.overlaying import correction
from tests.scale import SCALE

MEBI = 1024 * 1024
OVERLAY = correction({0x00100010: {"vr": "PN", "Value": [{"Alphabetic": "山田"}]}})
RLE = "1.2.840.10008.1.2.5"


class Generated(io.RawIOBase):
    """A file that is nowhere: a beginning, so many zeros, and an end."""

    def __init__(self, beginning: bytes, zeros: int, end: bytes = b"") -> None:
        super().__init__()
        self._beginning, self._zeros, self._end = beginning, zeros, end
        self.size = len(beginning) + zeros + len(end)
        self.was_read = 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and size >= 0, "nobody reads all of it"
        begin, stop = self._at, min(self._at + size, self.size)
        zeros = len(self._beginning), len(self._beginning) + self._zeros
        parts = [
            self._beginning[begin:stop],
            bytes(max(0, min(stop, zeros[1]) - max(begin, zeros[0]))),
            self._end[max(0, begin - zeros[1]) : max(0, stop - zeros[1])],
        ]
        self._at = stop
        self.was_read += stop - begin
        return b"".join(parts)


def patient(writer: Writer) -> bytes:
    return writer.element(0x00080005, "CS", b"ISO_IR 100") + writer.element(0x00100010, "PN", b"M\xfcller")


def native(size: int) -> tuple[str, Generated]:
    writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
    pixels = writer.element(0x7FE00010, "OW", b"", size)
    return writer.syntax, Generated(
        patient(writer) + pixels, size, writer.element(0xFFFCFFFC, "OB", bytes(8))
    )


def encapsulated(size: int) -> tuple[str, Generated]:
    writer = Writer(RLE)
    fragments = (
        writer.element(0x7FE00010, "OB", b"", 0xFFFFFFFF) + writer.item(b"") + writer.mark(0xE000, size)
    )
    return RLE, Generated(patient(writer) + fragments, size, writer.mark(0xE0DD, 0))


class Deflated(Generated):
    """The same deflated as it is read: pixels that shrink to a third."""

    def __init__(self, size: int) -> None:
        writer = Writer(EXPLICIT_VR_LITTLE_ENDIAN)
        head = patient(writer) + writer.element(0x7FE00010, "OB", b"", size)
        self._deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        # One piece is deflated once: the pixels are it over and over.
        self._first = self._deflating.compress(head) + self._deflating.flush(zlib.Z_FULL_FLUSH)
        again = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        noise = random.Random(1).randbytes(MEBI // 3)
        self._piece = again.compress(noise + bytes(MEBI - len(noise))) + again.flush(zlib.Z_FULL_FLUSH)
        self._last = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()
        self._count = size // MEBI
        super().__init__(self._first, 0)
        self.size = len(self._first) + len(self._piece) * self._count + len(self._last)

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and size >= 0, "nobody reads all of it"
        taken = b""
        while len(taken) < size and self._at < self.size:
            part = self._part(self._at)[: size - len(taken)]
            taken += part
            self._at += len(part)
        return taken

    def _part(self, at: int) -> bytes:
        if at < len(self._first):
            return self._first[at:]
        number, within = divmod(at - len(self._first), len(self._piece))
        return (self._piece if number < self._count else self._last)[within:]


def peak(syntax: str, source: Generated) -> int:
    """The bytes in memory at the worst moment while it goes out."""
    tracemalloc.start()
    try:
        found = overlaid(DataSet(cast(BinaryIO, source), source.size), syntax, OVERLAY)
        with found.file as file:
            sent = 0
            while chunk := file.read(256 * 1024):
                sent += len(chunk)
        assert sent == found.size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.soak
@pytest.mark.parametrize("made", [native, encapsulated])
def test_memory_does_not_depend_on_the_size_of_an_object(made: object) -> None:
    small, large = (peak(*made(each)) for each in (4 * MEBI, SCALE.big_object - 8 * MEBI))  # type: ignore[operator]
    assert large < small + 256 * 1024
    assert large < 4 * MEBI


@pytest.mark.parametrize("made", [native, encapsulated])
def test_pixels_are_not_read_before_the_first_byte_goes_out(made: object) -> None:
    syntax, source = made(2048 * MEBI)  # type: ignore[operator]
    overlaid(DataSet(cast(BinaryIO, source), source.size), syntax, OVERLAY).file.read(4096)
    assert source.was_read < MEBI


@pytest.mark.soak
def test_memory_does_not_depend_on_the_size_of_a_deflated_object() -> None:
    """A result beyond 8 MB lies in a file meanwhile."""
    # Deflating is slow: an eighth of what others are, where that is little.
    size = SCALE.big_object if SCALE.big_object > 1024 * MEBI else SCALE.big_object // 8
    assert peak(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, Deflated(size)) < 14 * MEBI
