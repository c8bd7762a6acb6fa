"""DICOM files (PS3.10 section 7): preamble, file meta information, data set."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import BinaryIO

from kinote.dicom.dataset import DataSet, scan, scanned
from kinote.dicom.errors import DicomError, MalformedError
from kinote.dicom.scanner import DEFAULT_LIMITS, DataSetScanner, Limits
from kinote.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_TRANSFER_SYNTAX_UID = 0x00020010
_PREAMBLE = 128

#: File meta information beyond this is none, in bytes.
_META_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A file that was walked to its end.

    `meta` is its file meta information, None where it has none and the transfer syntax was guessed;
    `digest` is SHA-256 in hex over the data set's bytes as they are, `size` their number, and
    `dataset_offset` where in the file they begin.
    """

    meta: DataSet | None
    transfer_syntax: str
    dataset: DataSet
    dataset_offset: int
    digest: str
    size: int


class FileScanner:
    """Walks a DICOM file as its bytes arrive; see `DataSetScanner`."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._beginning = bytearray()
        self._scanner: DataSetScanner | None = None
        self._meta: DataSet | None = None
        self._offset = 0
        self._digest = hashlib.sha256()
        self._size = 0

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
        return ScannedFile(
            meta=self._meta,
            transfer_syntax=scanner.transfer_syntax.uid,
            dataset=scanned(scanner),
            dataset_offset=self._offset,
            digest=self._digest.hexdigest(),
            size=self._size,
        )

    def _pass_on(self, chunk: bytes | bytearray | memoryview) -> None:
        assert self._scanner is not None
        self._digest.update(chunk)
        self._size += len(chunk)
        self._scanner.feed(chunk)

    def _begin(self, *, at_end: bool) -> None:
        """Find out where the data set begins and how it is encoded, as soon as that can be told."""
        have = self._beginning
        if len(have) < _PREAMBLE + 4 + 12 and not at_end:
            return
        start = _PREAMBLE + 4 if have[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
        if have[start : start + 2] != b"\x02\x00":
            if start:
                raise MalformedError("The file has no file meta information", start)
            self._enter(0, guessed_syntax(bytes(have[:64])))
            return
        end = _meta_end(have, start)
        if end is None:
            if at_end or len(have) > _META_LIMIT:
                raise MalformedError("The file ends within its file meta information", len(have))
            return
        self._meta = scan(bytes(have[start:end]), EXPLICIT_VR_LITTLE_ENDIAN)
        syntax = self._meta.text(_TRANSFER_SYNTAX_UID) or guessed_syntax(bytes(have[end : end + 64]))
        self._enter(end, syntax)

    def _enter(self, offset: int, transfer_syntax: str) -> None:
        rest = bytes(self._beginning[offset:])
        self._beginning = bytearray()
        self._offset = offset
        self._scanner = DataSetScanner(actual_syntax(rest, transfer_syntax), self._limits)
        self._pass_on(rest)


def find_dataset(file: BinaryIO) -> str:
    """Go to where the data set of a DICOM file begins, from the file's beginning; its transfer syntax."""
    have = bytearray(file.read(4096))
    start = _PREAMBLE + 4 if have[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    if have[start : start + 2] != b"\x02\x00":
        if start:
            raise MalformedError("The file has no file meta information", start)
        file.seek(0)
        return guessed_syntax(bytes(have[:64]))
    while (end := _meta_end(have, start)) is None or len(have) < end + 64:
        more = file.read(1 << 16)
        if not more:
            break
        have += more
    if end is None:
        raise MalformedError("The file ends within its file meta information", len(have))
    meta = scan(bytes(have[start:end]), EXPLICIT_VR_LITTLE_ENDIAN)
    beginning = bytes(have[end : end + 64])
    file.seek(end)
    return actual_syntax(beginning, meta.text(_TRANSFER_SYNTAX_UID) or guessed_syntax(beginning))


def _meta_end(have: bytearray, start: int) -> int | None:
    """Where group 0002 ends, walking its elements (its group length is not to be trusted)."""
    at = start
    while True:
        if len(have) < at + 12:
            return None
        if have[at : at + 2] != b"\x02\x00":
            return at
        if bytes(have[at + 4 : at + 6]) in (b"OB", b"OW", b"UN", b"UT", b"SQ"):
            at += 12 + struct.unpack_from("<I", have, at + 8)[0]
        else:
            at += 8 + struct.unpack_from("<H", have, at + 6)[0]
        if at > start + _META_LIMIT:
            raise MalformedError("The file meta information is larger than any can be", start)


def guessed_syntax(beginning: bytes) -> str:
    """Explicit or implicit little endian, by whether letters stand where the representation would."""
    explicit = len(beginning) >= 6 and beginning[4:6].isalpha() and beginning[4:6].isupper()
    return EXPLICIT_VR_LITTLE_ENDIAN if explicit else IMPLICIT_VR_LITTLE_ENDIAN


def actual_syntax(beginning: bytes, declared: str) -> str:
    """The declared transfer syntax, or the other little endian one where the first element contradicts it.

    Senders confuse the two; every other confusion shows as an error.
    """
    if declared in (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN) and len(beginning) >= 8:
        group = beginning[0] | beginning[1] << 8
        if 0 < group <= 0x0010:
            return guessed_syntax(beginning)
    return declared


def file_meta_bytes(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae: str | None = None
) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 Table 7.1-1) for a data set Kinote hands out."""
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


__all__ = [
    "DicomError",
    "FileScanner",
    "ScannedFile",
    "actual_syntax",
    "file_meta_bytes",
    "find_dataset",
    "guessed_syntax",
]
