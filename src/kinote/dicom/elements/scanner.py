"""Scans data sets as their bytes arrive: keeps the header, skips bulk values, inflates deflated data sets.

One walker (`kinote.dicom.elements.walker`) serves headers, KOS and everything else. It checks that every length
ends where its parent ends. It is iterative and bounded: depth, elements, header bytes and inflation have limits. So
no input takes more steps than its length, nor more memory than the limits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from kinote.dicom.dictionary.transfer_syntaxes import TransferSyntax, lookup
from kinote.dicom.elements import encodings
from kinote.dicom.elements.bulk import BulkSpan
from kinote.dicom.elements.errors import MalformedError, TooLargeError, TruncatedError
from kinote.dicom.elements.limits import DEFAULT_LIMITS, Limits
from kinote.dicom.elements.walker import Walk

#: Portions are small because `zlib` copies the part that it has not consumed.
_DEFLATED_AT_ONCE, _INFLATED_AT_ONCE = 1 << 14, 1 << 18


class DataSetScanner:
    """Scans one data set. Call `feed` with all bytes, then `finish`. Errors tell the place in the data set.

    `keeps` is told again and again how many bytes the header takes so far. What it raises ends the scan.
    """

    __slots__ = ("_deflated", "_inflate", "_inflated", "_keeps", "_walk", "limits", "transfer_syntax")

    def __init__(
        self,
        transfer_syntax_uid: str,
        limits: Limits = DEFAULT_LIMITS,
        keeps: Callable[[int], object] | None = None,
    ) -> None:
        self._keeps = keeps
        self.transfer_syntax: TransferSyntax = lookup(transfer_syntax_uid)
        self.limits = limits
        self._walk = Walk(encodings.declared(self.transfer_syntax), limits)
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if self.transfer_syntax.deflated else None
        self._deflated = 0
        self._inflated = 0

    @property
    def walk(self) -> Walk:
        """The state of the walk. `kinote.dicom.elements.dataset.scanned` makes a data set of it."""
        return self._walk

    @property
    def steps(self) -> int:
        """The number of elements and items walked. Tests use it to measure that work is bounded."""
        return self._walk.steps

    @property
    def offset(self) -> int:
        """The position of the walk, in bytes of the (inflated) data set."""
        return self._walk.offset

    @property
    def bulk(self) -> list[BulkSpan]:
        """The bulk values so far, in order."""
        return self._walk.bulk

    @property
    def pixels(self) -> BulkSpan | None:
        """The pixel data of the data set itself (not of an icon in it), once the walk has reached it."""
        return self._walk.pixels

    @property
    def passing(self) -> int:
        """How many bytes of the current bulk value are still to come."""
        return self._walk.passing

    def jump(self, count: int) -> None:
        """Record that `count` bytes of the current bulk value were skipped in the file and will not be fed."""
        if self._inflate is not None or not 0 <= count <= self._walk.passing:
            raise ValueError(f"{count} bytes cannot be jumped over, only {self._walk.passing} are skipped")
        self._walk.passing -= count

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Process the next bytes of the data set, in portions of any size."""
        if self._inflate is None:
            self._take(chunk)
            return
        deflated = memoryview(chunk)
        for start in range(0, len(deflated), _DEFLATED_AT_ONCE):
            self._inflate_part(bytes(deflated[start : start + _DEFLATED_AT_ONCE]))

    def finish(self) -> None:
        """Complete the data set after its last bytes. Raises `TruncatedError` if bytes are missing."""
        if self._inflate is not None and not self._inflate.eof:
            raise TruncatedError("The deflated data set ends before its end", self.offset)
        self._walk.take(None)

    def _inflate_part(self, pending: bytes) -> None:
        assert self._inflate is not None
        self._deflated += len(pending)
        full = False
        while (pending or full) and not self._inflate.eof:
            try:
                plain = self._inflate.decompress(pending, _INFLATED_AT_ONCE)
            except zlib.error as error:
                raise MalformedError(
                    f"The deflated data set cannot be inflated: {error}", self.offset
                ) from error
            full = len(plain) == _INFLATED_AT_ONCE
            self._inflated += len(plain)
            if self._inflated > max(self.limits.inflated_bytes, self._deflated * self.limits.inflation_ratio):
                raise TooLargeError("The deflated data set inflates beyond all measure", self.offset)
            self._take(plain)
            pending = self._inflate.unconsumed_tail
        if self._inflate.eof and (any(self._inflate.unused_data) or any(pending)):
            self._walk.note("bytes follow the deflated data set")

    def _take(self, chunk: bytes | bytearray | memoryview) -> None:
        walk = self._walk
        if walk.passing:
            size = len(chunk)
            if size <= walk.passing:
                walk.passing -= size
                return
            chunk = memoryview(chunk)[walk.passing :]
            walk.passing = 0
        if chunk:
            walk.take(chunk if isinstance(chunk, bytes) else bytes(chunk))
            if self._keeps is not None:
                self._keeps(walk.cost)
