"""The encoded bytes of single frames, read without reading the whole object."""

import io
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from kinote.dicom.dictionary.transfer_syntaxes import (
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax,
    lookup,
)
from kinote.dicom.elements.dataset import DataSet, scanned
from kinote.dicom.elements.errors import DicomError
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.files.part10 import find_dataset
from kinote.dicom.pixels.encapsulation import EncapsulatedFrames
from kinote.dicom.pixels.pixel_format import MAX_SAMPLES, PictureError, PixelFormat, pixel_format

_EXTENDED_OFFSET_TABLE = 0x7FE00001
_EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00002

#: A look-up table has at most 128 KB, and is needed with the header. Larger values are skipped.
_HEADER = Limits(bulk_binary=1 << 18, bulk_text=1 << 18)
_CHUNK = 16 * 1024
_MAX_ENCODED = 1 << 30
_MAX_INFLATED = 1 << 30

#: A deflated object is inflated in memory up to this size, in bytes.
_IN_MEMORY = 8 * 1024 * 1024


class Frames:
    """The frames of one object; `file` is positioned at its data set.

    Reads the header immediately and each frame on demand. Raises `PictureError` if the header cannot be read or has no
    pixel data. The caller closes the file.
    """

    def __init__(self, file: BinaryIO, transfer_syntax_uid: str) -> None:
        self.transfer_syntax: TransferSyntax = lookup(transfer_syntax_uid)
        if self.transfer_syntax.deflated:
            file = _inflated(file)
            self.transfer_syntax = lookup(EXPLICIT_VR_LITTLE_ENDIAN)
        self._file = file
        base = file.tell()
        scanner = _walked_to_pixels(file, self.transfer_syntax.uid)
        #: All attributes except the pixel data and other large binary values.
        self.header: DataSet = scanned(scanner)
        span = scanner.pixels
        if span is None:
            raise PictureError("The object has no pixel data.")
        self._start = base + span.offset
        self._length = span.length
        self._vr = span.vr
        self.format: PixelFormat = pixel_format(self.header, span.tag)
        self._scanner, self._base = scanner, base
        self._encapsulated: EncapsulatedFrames | None = None
        if span.length >= 0:
            self.format = self.format.of_length(span.length // self.format.frames)
        else:
            extended = self._extended_table(scanner, base)
            self._encapsulated = EncapsulatedFrames(file, self._start, self.format.frames, extended)

    @property
    def count(self) -> int:
        """The number of frames according to the header; 1 for a single-frame object."""
        return self.format.frames

    @property
    def frame_syntax_uid(self) -> str:
        """The transfer syntax of what `read` returns: native frames are always little endian."""
        return self.transfer_syntax.uid if self.is_encoded else EXPLICIT_VR_LITTLE_ENDIAN

    @property
    def is_encoded(self) -> bool:
        """Whether frames are codestreams rather than plain samples."""
        return self._encapsulated is not None and self.transfer_syntax.uid != ENCAPSULATED_UNCOMPRESSED

    def read(self, number: int) -> bytes:
        """Read frame `number`, counted from 1: a codestream, or samples in little endian.

        A frame of 1-bit pixels starts at the lowest bit of its first byte (PS3.5 8.1.1), although in the object frames
        follow each other without padding.
        """
        if not 1 <= number <= self.count:
            raise PictureError(f"There is no frame {number}; the object has {self.count}.")
        if self._encapsulated is None:
            return self._native(number)
        fragments = self._encapsulated.fragments(number)
        if sum(length for _, length in fragments) > _MAX_ENCODED:
            raise PictureError(f"Frame {number} is larger than {_MAX_ENCODED} bytes.")
        return b"".join(self._exactly(offset, length, number) for offset, length in fragments)

    def size(self, number: int) -> int:
        """Return how many bytes `read` gives of a frame, counted from 1. Raises `PictureError`."""
        if not 1 <= number <= self.count:
            raise PictureError(f"There is no frame {number}; the object has {self.count}.")
        if self._encapsulated is None:
            return -(-self.format.native_frame_bits // 8)
        return sum(length for _, length in self._encapsulated.fragments(number))

    def beginning(self, number: int, length: int) -> bytes:
        """Read the first bytes of a compressed frame, at most `length`. Raises `PictureError`."""
        if self._encapsulated is None:
            return self.read(number)[:length]
        found = b""
        for offset, size in self._encapsulated.fragments(number):
            found += self._exactly(offset, min(size, length - len(found)), number)
            if len(found) >= length:
                break
        return found

    def _native(self, number: int) -> bytes:
        bits = self.format.native_frame_bits
        first, rest = divmod((number - 1) * bits, 8)
        size = -(-(rest + bits) // 8)
        if first + size > self._length:
            raise PictureError(
                f"The pixel data is cut short: frame {number} ends at byte {first + size}, "
                f"the pixel data at byte {self._length}."
            )
        if not self.transfer_syntax.little_endian_pixels:
            return self._swapped(first, size, number)
        data = self._exactly(self._start + first, size, number)
        return data if self.format.bits_allocated > 1 else _aligned(data, rest, bits)

    def _swapped(self, first: int, size: int, number: int) -> bytes:
        """Convert big endian samples to little endian (PS3.5 7.3). OW is swapped by words, whatever they hold."""
        unit = self._unit()
        begin = first - first % unit
        end = min(-(-(first + size) // unit) * unit, self._length)
        data = self._exactly(self._start + begin, end - begin, number)
        whole = len(data) // unit * unit
        data = np.frombuffer(data[:whole], f">u{unit}").astype(f"<u{unit}").tobytes() + data[whole:]
        data = data[first - begin : first - begin + size]
        if self.format.bits_allocated > 1:
            return data
        bits = self.format.native_frame_bits
        return _aligned(data, (number - 1) * bits % 8, bits)

    def _unit(self) -> int:
        """Return the number of bytes that are swapped together in big endian pixel data."""
        # GE's private syntax has an implicit data set, where nothing says OB: samples are swapped, bytes are not.
        is_word = self._vr == "OW" and not self.transfer_syntax.little_endian
        return max(self.format.bits_allocated // 8, 2 if is_word else 1)

    def value(self, tag: int, start: int, length: int) -> bytes:
        """Read bytes of a binary value before the pixel data, which may be large; fewer at its end."""
        kept = self.header.raw(tag)
        if kept is not None:
            return kept[start : start + length]
        for span in self._scanner.bulk:
            if span.path == (tag,) and span.length > start:
                self._file.seek(self._base + span.offset + start)
                return self._file.read(min(length, span.length - start))
        return b""

    def _exactly(self, offset: int, length: int, number: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) < length:
            raise PictureError(f"The object is cut short within the pixel data of frame {number}.")
        return data

    def _extended_table(
        self, scanner: DataSetScanner, base: int
    ) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        offsets = self._long_value(scanner, base, _EXTENDED_OFFSET_TABLE)
        lengths = self._long_value(scanner, base, _EXTENDED_OFFSET_TABLE_LENGTHS)
        if not offsets or len(offsets) != len(lengths):
            return None
        return offsets, lengths

    def _long_value(self, scanner: DataSetScanner, base: int, tag: int) -> tuple[int, ...]:
        value = self.header.raw(tag) or b""
        for span in scanner.bulk:
            if span.tag == tag and 0 < span.length <= 8 * MAX_SAMPLES:
                self._file.seek(base + span.offset)
                value = self._file.read(span.length)
        return struct.unpack(f"<{len(value) // 8}Q", value[: len(value) // 8 * 8])


@contextmanager
def open_frames(source: Path | BinaryIO, transfer_syntax_uid: str | None = None) -> Iterator[Frames]:
    """Open the frames of a DICOM file, or of an open file.

    With `transfer_syntax_uid`, `source` is an open file positioned at its data set. Without, it is a DICOM file
    (PS3.10) from its beginning. Raises `PictureError`.
    """
    if isinstance(source, Path):
        with source.open("rb") as file, open_frames(file, transfer_syntax_uid) as frames:
            yield frames
        return
    try:
        yield Frames(source, transfer_syntax_uid or find_dataset(source))
    except DicomError as error:
        raise PictureError(f"The object cannot be read: {error}.") from error


def frame_bytes(
    source: Path | BinaryIO, number: int = 1, transfer_syntax_uid: str | None = None
) -> tuple[bytes, str]:
    """Read one frame and return it with its transfer syntax; see `open_frames` and `Frames.read`."""
    with open_frames(source, transfer_syntax_uid) as frames:
        return frames.read(number), frames.frame_syntax_uid


def frame_count(source: Path | BinaryIO, transfer_syntax_uid: str | None = None) -> int:
    """Return the number of frames according to an object's header; see `open_frames`."""
    with open_frames(source, transfer_syntax_uid) as frames:
        return frames.count


def _walked_to_pixels(file: BinaryIO, transfer_syntax_uid: str) -> DataSetScanner:
    scanner = DataSetScanner(transfer_syntax_uid, _HEADER)
    while scanner.pixels is None and (chunk := file.read(_CHUNK)):
        scanner.feed(chunk)
        if scanner.pixels is None and scanner.passing:
            jump = scanner.passing
            file.seek(jump, io.SEEK_CUR)
            scanner.jump(jump)
    return scanner


def _inflated(file: BinaryIO) -> BinaryIO:
    """Inflate a deflated data set (PS3.5 A.5), which cannot be read from the middle. A large one is a temporary
    file.
    """
    inflate = zlib.decompressobj(-15)
    # Closed with its last reference.
    plain = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
    try:
        while not inflate.eof and (chunk := file.read(1 << 16)):
            while chunk and not inflate.eof:
                plain.write(inflate.decompress(chunk, 1 << 20))
                chunk = inflate.unconsumed_tail
                if plain.tell() > _MAX_INFLATED:
                    raise PictureError(f"The deflated object inflates to more than {_MAX_INFLATED} bytes.")
    except zlib.error as error:
        raise PictureError(f"The deflated object cannot be inflated: {error}.") from error
    plain.seek(0)
    return plain


def _aligned(data: bytes, skipped: int, bits: int) -> bytes:
    """Return `bits` 1-bit pixels after the first `skipped`, starting at the lowest bit of the first byte."""
    if not skipped and not bits % 8:
        return data
    flags = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(flags[skipped : skipped + bits], bitorder="little").tobytes()
