"""DICOM files (PS3.10 section 7): preamble, file meta information, data set."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from kinote.dicom.dictionary.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    lookup,
)
from kinote.dicom.dictionary.value_representations import SHORT
from kinote.dicom.elements import encodings
from kinote.dicom.elements.dataset import DataSet, scan, scanned
from kinote.dicom.elements.element_heads import is_long, odd_length
from kinote.dicom.elements.encodings import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from kinote.dicom.elements.errors import MalformedError, TruncatedError
from kinote.dicom.elements.limits import DEFAULT_LIMITS, Limits
from kinote.dicom.elements.scanner import DataSetScanner
from kinote.dicom.values.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, is_tolerable

_TRANSFER_SYNTAX_UID = 0x00020010
_PREAMBLE = 128

#: Group 0002 in either byte order. It should be explicit little endian (PS3.10 7.1); some writers encode it as the data
#: set, implicit or big endian.
_META_GROUPS = (b"\x02\x00", b"\x00\x02")

#: Longer file meta information is rejected, in bytes.
_META_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A file that was walked to its end.

    `meta` is its file meta information, None if it has none and the transfer syntax was guessed. `declared` is the
    declared transfer syntax, `transfer_syntax` the actual one. `size` is the length of the data set in bytes, and
    `dataset_offset` its position in the file.
    """

    meta: DataSet | None
    declared: str
    transfer_syntax: str
    dataset: DataSet
    dataset_offset: int
    size: int


class FileScanner:
    """Walks a DICOM file as its bytes arrive; see `DataSetScanner`.

    With a transfer syntax it walks a data set without file meta information, as associations transfer it. The bytes
    of the data set are passed to `pass_by` unchanged, so that a digest can be computed. `keeps` is for the scanner.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        transfer_syntax_uid: str | None = None,
        pass_by: Callable[[bytes | bytearray | memoryview], object] | None = None,
        keeps: Callable[[int], object] | None = None,
    ) -> None:
        self._keeps = keeps
        self._limits = limits
        self._meta: DataSet | None = None
        self._offset = 0
        self._pass_by = pass_by
        self._size = 0
        self._scanner: DataSetScanner | None = None
        self._is_declared = transfer_syntax_uid is not None
        if transfer_syntax_uid is not None:
            self._scanner = DataSetScanner(transfer_syntax_uid, limits, keeps)
        else:
            self._beginning = bytearray()
            self._meta_end = _MetaEnd()

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._scanner is not None:
            self._pass_on(chunk)
            return
        self._beginning += chunk
        self._begin(at_end=False)

    def finish(self) -> ScannedFile:
        if self._scanner is None:
            self._begin(at_end=True)
        scanner = self._scanner
        if scanner is None:
            raise MalformedError("The file has no data set", 0)
        scanner.finish()
        dataset = scanned(scanner)
        shown = _corrected(scanner.transfer_syntax.uid, dataset.encoding)
        return ScannedFile(
            meta=self._meta,
            declared=scanner.transfer_syntax.uid if self._is_declared else shown,
            transfer_syntax=shown,
            dataset=dataset,
            dataset_offset=self._offset,
            size=self._size,
        )

    def named_so_far(self) -> tuple[str, str]:
        """SOP Class UID and SOP Instance UID as far as they have been walked; '' where they have not.

        Of a file that cannot be read to its end, too. What the file meta information says stands in for a data set
        that was not reached.
        """
        places = (
            (None if self._scanner is None else scanned(self._scanner), (0x00080016, 0x00080018)),
            (self._meta, (0x00020002, 0x00020003)),
        )
        for dataset, named in places:
            found = ("", "") if dataset is None else tuple((dataset.text(tag) or "").strip() for tag in named)
            if is_tolerable(found[1]):
                return found[0], found[1]
        return "", ""

    def _pass_on(self, chunk: bytes | bytearray | memoryview) -> None:
        assert self._scanner is not None
        if self._pass_by is not None:
            self._pass_by(chunk)
        self._size += len(chunk)
        self._scanner.feed(chunk)

    def _begin(self, *, at_end: bool) -> None:
        """Find out where the data set begins, once enough bytes have arrived."""
        have = self._beginning
        end = self._meta_end.find(have, at_end=at_end)
        if end is None:
            return
        self._meta = _scanned_meta(bytes(have[self._meta_end.start : end]))
        self._beginning = bytearray()
        self._offset = end
        declared = _declared(self._meta)
        self._is_declared = bool(declared)
        # If none is declared, the walker detects the encoding by the first element.
        self._scanner = DataSetScanner(declared or EXPLICIT_VR_LITTLE_ENDIAN, self._limits, self._keeps)
        self._pass_on(bytes(have[end:]))


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The beginning of a file. `meta` is None if there is no file meta information and the transfer syntax was
    guessed.

    `transfer_syntax` is the declared one, whatever the data set shows. The data set begins at `dataset_offset`.
    """

    meta: DataSet | None
    transfer_syntax: str
    dataset_offset: int


def read_file_meta(data: bytes) -> FileMeta:
    """Return the file meta information of a file in memory. Raises a `DicomError` if it cannot be read."""
    finder = _MetaEnd()
    have = bytearray(data[: finder.enough])
    end = finder.find(have, at_end=len(data) <= len(have)) or 0
    meta = _scanned_meta(data[finder.start : end])
    declared = _declared(meta)
    if not declared:
        declared = _corrected_by(data[end : end + 8], EXPLICIT_VR_LITTLE_ENDIAN)
    return FileMeta(meta, declared, end)


def find_dataset(file: BinaryIO) -> str:
    """Move an open DICOM file from its beginning to its data set, and return the transfer syntax."""
    have = bytearray()
    meta_end = _MetaEnd()
    while (end := meta_end.find(have, at_end=False)) is None:
        more = file.read(4096)
        if not more:
            end = meta_end.find(have, at_end=True) or 0
            break
        have += more
    file.seek(end)
    beginning = file.read(8)
    file.seek(end)
    declared = _declared(_scanned_meta(bytes(have[meta_end.start : end])))
    return _corrected_by(beginning, declared or EXPLICIT_VR_LITTLE_ENDIAN)


def _scanned_meta(group: bytes) -> DataSet | None:
    return scan(group, EXPLICIT_VR_LITTLE_ENDIAN) if group else None


def _declared(meta: DataSet | None) -> str:
    """Return the transfer syntax in the file meta information; '' if there is none."""
    return "" if meta is None else (meta.text(_TRANSFER_SYNTAX_UID) or "").strip()


def _corrected_by(beginning: bytes, declared: str) -> str:
    """Return the transfer syntax that the first element of a data set shows."""
    return _corrected(declared, encodings.actual(beginning, encodings.declared(lookup(declared))))


class _MetaEnd:
    """Finds the end of group 0002 by walking its elements, because its group length is often wrong."""

    #: How many bytes of a file are enough to contain the end of group 0002, if that is not too long.
    enough = _META_LIMIT + 2 * _PREAMBLE

    def __init__(self) -> None:
        #: Where group 0002 begins, once `find` has received enough bytes.
        self.start = 0
        self._at = -1
        self._encoding = EXPLICIT_LITTLE

    def find(self, have: bytearray, *, at_end: bool) -> int | None:
        """Return where the data set begins, 0 if there is no file meta information; None if more bytes are needed."""
        if self._at < 0:
            if len(have) < _PREAMBLE + 6 and not at_end:
                return None
            if have[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
                self.start = _PREAMBLE + 4
            elif have[:4] == b"DICM":
                self.start = 4
            if have[self.start : self.start + 2] not in _META_GROUPS:
                if self.start:
                    raise MalformedError("The file has no file meta information", self.start)
                return 0
            self._at = self.start
            self._encoding = encodings.actual(bytes(have[self.start : self.start + 8]), EXPLICIT_LITTLE)
        encoding = self._encoding
        while len(have) >= self._at + 12:
            group, _, length = encoding.item.unpack_from(have, self._at)
            if group != 2:
                return self._at
            self._at += 8 + length if not encoding.explicit else self._explicit_length(have)
            if self._at > self.start + _META_LIMIT:
                raise MalformedError("The file meta information is larger than any can be", self.start)
        if len(have) >= self._at + 2 and have[self._at : self._at + 2] not in _META_GROUPS:
            return self._at
        if not at_end:
            return None
        if self._at != len(have):
            raise TruncatedError("The file ends within its file meta information", len(have))
        return self._at

    def _explicit_length(self, have: bytearray) -> int:
        """Return the length of the element here; one without a representation is read as the walker reads it."""
        vr = bytes(have[self._at + 4 : self._at + 6])
        encoding = self._encoding
        length: int = encoding.short.unpack_from(have, self._at + 6)[0]
        if vr in SHORT:
            return 8 + length
        if is_long(vr):
            return 12 + int(encoding.long.unpack_from(have, self._at + 8)[0])
        odd = odd_length(vr, length, encoding)
        return 8 + (length if odd is None else odd)


def _corrected(declared: str, found: Encoding) -> str:
    """Return the declared transfer syntax, or another native one if the data are actually in that one.

    Senders confuse the three (`encodings.actual`). A syntax with encapsulated pixel data is kept, and one that has
    pixel data in another byte order than the rest.
    """
    syntax = lookup(declared)
    is_special = syntax.encapsulated or syntax.deflated or syntax.little_endian_pixels != syntax.little_endian
    if is_special or encodings.declared(syntax) is found:
        return declared
    return {
        EXPLICIT_LITTLE: EXPLICIT_VR_LITTLE_ENDIAN,
        IMPLICIT_LITTLE: IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_BIG: EXPLICIT_VR_BIG_ENDIAN,
    }[found]


def file_meta_bytes(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae: str | None = None
) -> bytes:
    """Return preamble, prefix and file meta information (PS3.10 Table 7.1-1) for a data set that Kinote sends."""
    elements = (
        b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
        + _text(0x0002, b"UI", sop_class_uid)
        + _text(0x0003, b"UI", sop_instance_uid)
        + _text(0x0010, b"UI", transfer_syntax_uid)
        + _text(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
        + _text(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
        + (_text(0x0016, b"AE", source_ae) if source_ae else b"")
    )
    length = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(elements))
    return bytes(_PREAMBLE) + b"DICM" + length + elements


def _text(element: int, vr: bytes, value: str) -> bytes:
    encoded = value.encode("ascii")
    if len(encoded) % 2:
        encoded += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(encoded)) + encoded
