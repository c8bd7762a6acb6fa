"""Writes instances sent as DICOM JSON with bulk data (PS3.18 10.5.1, Annex F) as DICOM files."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from kinote.dicom.dictionary import tags
from kinote.dicom.dictionary.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from kinote.dicom.files.part10 import file_meta_bytes
from kinote.dicom.json.received import ReceivedJsonError, encode_received
from kinote.dicom.values import uids
from kinote.memory.ledger import Charge
from kinote.web.bodies.negotiation import MediaType
from kinote.web.dicomweb.retrieving.frame_media import OCTETS, default_transfer_syntax

#: The largest bulk value, other than pixel data, that is built in memory, in bytes.
_IN_MEMORY = 64 * 1024 * 1024
_CHUNK = 256 * 1024

#: A bulk value is in memory as it was read, in its element, and in the data set.
_COPIES = 3

_SOP_CLASS, _SOP_INSTANCE, _PIXEL_DATA = "00080016", "00080018", f"{tags.PIXEL_DATA:08X}"
_UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


class JsonInstanceError(ValueError):
    """An instance in DICOM JSON cannot be written as a DICOM file. The message says why."""


@dataclass(frozen=True, slots=True)
class BulkPart:
    """A part with a bulk value: its media type, and where it lies in the `content`, in bytes."""

    media_type: MediaType
    content: BinaryIO
    begin: int
    size: int

    def whole(self, memory: Charge) -> bytes:
        if self.size > _IN_MEMORY:
            raise JsonInstanceError(
                f"A bulk value that is no pixel data has {self.size} bytes, more than is taken."
            )
        memory.add(_COPIES * self.size)
        self.content.seek(self.begin)
        return self.content.read(self.size)

    def pieces(self) -> Iterator[bytes]:
        at, end = self.begin, self.begin + self.size
        while at < end:
            # Others read of it, too.
            self.content.seek(at)
            piece = self.content.read(min(_CHUNK, end - at))
            at += len(piece)
            yield piece


def instances_in(body: bytes) -> list[dict[str, Any]]:
    """Return the data sets of a JSON body: an array of objects, or one object."""
    try:
        found = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise JsonInstanceError(f"The metadata is no JSON: {error}") from error
    instances = found if isinstance(found, list) else [found]
    if not all(isinstance(instance, dict) for instance in instances):
        raise JsonInstanceError("The metadata is no array of DICOM JSON objects.")
    return instances


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object without repeated names: with these, one reader would take one value, and another the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} is given twice")
    return found


def named_uids(instance: Mapping[str, Any]) -> tuple[str, str]:
    """Return SOP Class and SOP Instance UID, empty if they are missing."""
    return _first(instance, _SOP_CLASS), _first(instance, _SOP_INSTANCE)


def as_file(instance: Mapping[str, Any], parts: Mapping[str, BulkPart], memory: Charge) -> Iterator[bytes]:
    """Yield the DICOM file of an instance. Its pixel data are passed through piece by piece.

    `parts` are the bulk parts by Content-Location, which BulkDataURI refers to. Those that are read as a whole are
    charged to `memory`, which raises `MemoryFullError`. Raises `JsonInstanceError` before the first byte if the file
    cannot be written.
    """
    sop_class, sop_instance = named_uids(instance)
    header = dict(instance)
    pixels = _pixel_part(header, parts)
    syntax = default_transfer_syntax(pixels.media_type) if pixels else EXPLICIT_VR_LITTLE_ENDIAN
    if syntax is None:
        raise JsonInstanceError("The part with the pixel data needs a transfer-syntax parameter.")
    for uid in (sop_class, sop_instance, syntax):
        # Intake reports a missing one.
        if uid and not uids.is_tolerable(uid):
            raise JsonInstanceError(f"{uid[:80]!r} is no UID.")
    encoded = _encoded(header, parts, memory)
    return _file(file_meta_bytes(sop_class, sop_instance, syntax), encoded, pixels)


def _pixel_part(header: dict[str, Any], parts: Mapping[str, BulkPart]) -> BulkPart | None:
    """Remove bulk pixel data from a header, and return its part: it is the last element, and written separately."""
    element = header.get(_PIXEL_DATA)
    if not isinstance(element, dict) or "BulkDataURI" not in element:
        return None
    del header[_PIXEL_DATA]
    return _part(element["BulkDataURI"], parts)


def _part(uri: object, parts: Mapping[str, BulkPart]) -> BulkPart:
    part = parts.get(str(uri))
    if part is None:
        raise JsonInstanceError(
            f"No part has the Content-Location {str(uri)[:200]!r} that a BulkDataURI names."
        )
    return part


def _encoded(header: Mapping[str, Any], parts: Mapping[str, BulkPart], memory: Charge) -> bytes:
    """Return the data set without bulk pixel data, in Explicit VR Little Endian and UTF-8."""
    try:
        return encode_received(header, lambda uri: _part(uri, parts).whole(memory))
    except ReceivedJsonError as error:
        raise JsonInstanceError(f"The metadata is no DICOM JSON: {error}.") from error


def _file(meta: bytes, encoded: bytes, pixels: BulkPart | None) -> Iterator[bytes]:
    yield meta
    yield encoded
    if pixels is None:
        return
    group, element = tags.PIXEL_DATA >> 16, tags.PIXEL_DATA & 0xFFFF
    padding = b"\0" * (pixels.size % 2)
    if pixels.media_type.name == OCTETS:
        yield struct.pack("<HH2sHI", group, element, b"OW", 0, pixels.size + len(padding))
        yield from pixels.pieces()
        yield padding
        return
    # One frame in one fragment, after an empty offset table (PS3.5 A.4).
    yield struct.pack("<HH2sHI", group, element, b"OB", 0, _UNDEFINED_LENGTH) + _ITEM + b"\0\0\0\0"
    yield _ITEM + struct.pack("<I", pixels.size + len(padding))
    yield from pixels.pieces()
    yield padding + _DELIMITER


def _first(instance: Mapping[str, Any], tag: str) -> str:
    element = instance.get(tag)
    values: Sequence[Any] = element.get("Value") or [] if isinstance(element, dict) else []
    return str(values[0]) if values else ""
