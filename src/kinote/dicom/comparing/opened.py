"""A data set walked for comparison: its head in memory, its bulk values read on demand."""

from __future__ import annotations

import io
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO, cast

from kinote.dicom.dictionary.transfer_syntaxes import TransferSyntax
from kinote.dicom.elements.bulk import BulkSpan
from kinote.dicom.elements.dataset import DataSet, scanned
from kinote.dicom.elements.limits import Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.files.data_set_file import DataSet as DataSetFile
from kinote.dicom.overlay.kept_head import HeadElement, KeptHead

_CHUNK = 64 * 1024

#: The largest binary value that is kept because it may be an unmarked sequence, in bytes.
TO_COMPARE = Limits(bulk_binary=1 << 20, bulk_text=1 << 20)

#: The largest inflated data set kept in memory, in bytes. Larger ones are unnamed temporary files.
_IN_MEMORY = 8 * 1024 * 1024


class OpenedDataSet:
    """A data set, read from a file positioned at its beginning. Closing it closes the file.

    Memory grows with its head, within the limits, and never with its bulk values. Raises a `DicomError` if it cannot be
    walked, and `OSError` if it cannot be read.
    """

    def __init__(self, stored: DataSetFile, transfer_syntax_uid: str, limits: Limits) -> None:
        scanner = DataSetScanner(transfer_syntax_uid, limits)
        self.transfer_syntax: TransferSyntax = scanner.transfer_syntax
        self.file: BinaryIO = stored.file
        self.base = stored.file.tell()
        if self.transfer_syntax.deflated:
            self.file, self.base = _inflated(scanner, stored), 0
        else:
            _walk(scanner, stored)
        scanner.finish()
        walk = scanner.walk
        #: The root, for single attributes.
        self.root: DataSet = scanned(scanner)
        self.head = KeptHead(walk.kept, walk.ends, walk.bulk)
        self.encoding = walk.encoding
        self._spans = walk.bulk
        self._gaps: list[int] = []
        left_out = 0
        for span in walk.bulk:
            self._gaps.append(span.offset - left_out)
            left_out += _size(span)

    def span(self, element: HeadElement) -> BulkSpan | None:
        """Return where the skipped value of an element lies; None if the value is in the head."""
        if not self.head.is_bulk(element) or not self.head.has_bulk(element):
            return None
        return self._spans[bisect_right(self._gaps, element.stop) - 1]

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield the bytes of a range of the (inflated) data set, in chunks of at most 64 KB."""
        self.file.seek(self.base + offset)
        while length > 0:
            chunk = self.file.read(min(_CHUNK, length))
            if not chunk:
                raise OSError("The data set ends too early")
            length -= len(chunk)
            yield chunk

    def close(self) -> None:
        self.file.close()


def _walk(scanner: DataSetScanner, stored: DataSetFile) -> None:
    left = stored.size
    while left > 0 and (chunk := stored.file.read(min(_CHUNK, left))):
        scanner.feed(chunk)
        left -= len(chunk)
        if scanner.passing:
            jumped = min(scanner.passing, left)
            stored.file.seek(jumped, io.SEEK_CUR)
            scanner.jump(jumped)
            left -= jumped


def _inflated(scanner: DataSetScanner, stored: DataSetFile) -> BinaryIO:
    """Walk a deflated data set, and return it inflated. The scanner limits its size."""
    plain = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the opened data set closes it
    try:
        with stored.file as file:
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            left = stored.size
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                scanner.feed(chunk)
                while chunk and not inflate.eof:
                    plain.write(inflate.decompress(chunk, _CHUNK))
                    chunk = inflate.unconsumed_tail
            plain.write(inflate.flush())
    except BaseException:
        plain.close()
        raise
    return cast(BinaryIO, plain)


def _size(span: BulkSpan) -> int:
    """Return how many bytes were skipped, up to the end of the delimiter of encapsulated pixel data."""
    if span.length >= 0:
        return span.length
    return (span.fragments[-2] + span.fragments[-1] if span.fragments else span.offset) + 8 - span.offset
