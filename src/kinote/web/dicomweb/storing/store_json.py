"""STOW-RS of DICOM JSON: a part with the metadata, then parts with the bulk values (PS3.18 10.5.1)."""

from __future__ import annotations

import tempfile
from typing import BinaryIO, cast

from kinote.intake.outcome import Outcome
from kinote.memory import estimates
from kinote.memory.ledger import Charge
from kinote.memory.shared import MEMORY
from kinote.web.bodies.multipart_related import PartBegins, PartEnds, PartReader
from kinote.web.bodies.negotiation import MediaType, media_type
from kinote.web.bodies.request_body import Taking
from kinote.web.dicomweb.storing.json_instances import (
    BulkPart,
    JsonInstanceError,
    as_file,
    instances_in,
    named_uids,
)
from kinote.web.dicomweb.storing.store_batch import StoreBatch
from kinote.web.problems import BadRequestError, BodyTooLargeError

JSON = "application/dicom+json"

#: Bulk parts of a body stay in memory up to this size, in bytes, all together. More go to a file.
_SPOOLED = 256 * 1024


def take_json(batch: StoreBatch, limit: int) -> Taking[list[Outcome]]:
    """Consume a body of metadata alone."""
    with MEMORY.open() as memory:
        metadata = _Metadata(limit, memory)
        while (piece := (yield)) is not None:
            metadata.append(piece)
        _store(batch, metadata, {}, memory)
    return batch.settled()


def take_json_parts(batch: StoreBatch, reader: PartReader, limit: int) -> Taking[list[Outcome]]:
    """Consume metadata and bulk parts. The bulk may come in any order, so the whole body is read first.

    Raises `MultipartError` if it is malformed. Then nothing of it is stored.
    """
    with MEMORY.open() as memory, tempfile.SpooledTemporaryFile(_SPOOLED) as bulk:
        body = _Body(cast(BinaryIO, bulk), _Metadata(limit, memory))
        while (piece := (yield)) is not None:
            for event in reader.feed(piece):
                body.take(event)
        reader.finish()
        _store(batch, body.metadata, body.parts, memory)
    return batch.settled()


class _Metadata:
    """The metadata of a body, charged to the `memory` with what is made of them."""

    def __init__(self, limit: int, memory: Charge) -> None:
        self._limit = limit
        self._memory = memory
        self._cost = 0
        self._text = bytearray()

    def append(self, piece: bytes) -> None:
        if len(self._text) + len(piece) > self._limit:
            raise BodyTooLargeError(f"The metadata has more than {self._limit} bytes.")
        self._cost += estimates.of_json(piece)
        self._memory.reach(self._cost)
        self._text += piece

    def whole(self) -> bytes:
        return bytes(self._text)


class _Body:
    """The parts of a body: the metadata in memory, all bulk values in one file."""

    def __init__(self, bulk: BinaryIO, metadata: _Metadata) -> None:
        self._bulk = bulk
        #: Location, media type and beginning of the bulk part that comes now.
        self._current: tuple[str, MediaType, int] | None = None
        self.metadata = metadata
        self.parts: dict[str, BulkPart] = {}

    def take(self, event: PartBegins | bytes | PartEnds) -> None:
        if isinstance(event, PartBegins):
            self._begin(event)
        elif isinstance(event, PartEnds):
            self._end()
        elif self._current is None:
            self.metadata.append(event)
        else:
            self._bulk.write(event)

    def _begin(self, part: PartBegins) -> None:
        kind = media_type(part.headers.get("content-type", JSON))
        if kind.name in (JSON, "application/json"):
            self._current = None
            return
        location = part.headers.get("content-location")
        if location is None:
            raise BadRequestError(
                "A bulk data part needs the header Content-Location, which BulkDataURI names."
            )
        self._current = (location, kind, self._bulk.tell())

    def _end(self) -> None:
        if self._current is not None:
            location, kind, begin = self._current
            self.parts[location] = BulkPart(kind, self._bulk, begin, self._bulk.tell() - begin)
            self._current = None


def _store(batch: StoreBatch, metadata: _Metadata, parts: dict[str, BulkPart], memory: Charge) -> None:
    try:
        instances = instances_in(metadata.whole())
    except JsonInstanceError as error:
        raise BadRequestError(str(error)) from error
    for instance in instances:
        try:
            pieces = as_file(instance, parts, memory)
        except JsonInstanceError as error:
            batch.refuse(str(error), *named_uids(instance))
            continue
        batch.begin()
        for piece in pieces:
            batch.write(piece)
        batch.finish()
