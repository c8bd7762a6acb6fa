"""STOW-RS of DICOM JSON: a part with the metadata, then parts with the bulk values (PS3.18 10.5.1)."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import BinaryIO, cast

from kinote.intake.outcome import Outcome
from kinote.web.dicomweb.json_instances import (
    BulkPart,
    JsonInstanceError,
    as_file,
    instances_in,
    named_uids,
)
from kinote.web.dicomweb.store_batch import StoreBatch
from kinote.web.multipart_related import PartBegins, PartEnds, PartReader
from kinote.web.negotiation import MediaType, media_type
from kinote.web.problems import BadRequestError, BodyTooLargeError
from kinote.web.request_body import Taking

JSON = "application/dicom+json"

#: Bulk parts up to this size, in bytes, stay in memory. Larger ones go to a file.
_SPOOLED = 256 * 1024


def take_json(batch: StoreBatch, limit: int) -> Taking[list[Outcome]]:
    """Consume a body of metadata alone."""
    metadata = bytearray()
    while (piece := (yield)) is not None:
        _append(metadata, piece, limit)
    _store(batch, bytes(metadata), {})
    return batch.settled()


def take_json_parts(batch: StoreBatch, reader: PartReader, limit: int) -> Taking[list[Outcome]]:
    """Consume metadata and bulk parts. The bulk may come in any order, so the whole body is read first.

    Raises `MultipartError` if it is malformed. Then nothing of it is stored.
    """
    with ExitStack() as files:
        body = _Body(files, limit)
        while (piece := (yield)) is not None:
            for event in reader.feed(piece):
                body.take(event)
        reader.finish()
        _store(batch, bytes(body.metadata), body.parts)
        return batch.settled()


class _Body:
    """The parts of a body: the metadata in memory, large bulk values in temporary files."""

    def __init__(self, files: ExitStack, limit: int) -> None:
        self._files = files
        self._limit = limit
        self._current: tuple[str, MediaType, BinaryIO] | None = None
        self.metadata = bytearray()
        self.parts: dict[str, BulkPart] = {}

    def take(self, event: PartBegins | bytes | PartEnds) -> None:
        if isinstance(event, PartBegins):
            self._begin(event)
        elif isinstance(event, PartEnds):
            self._end()
        elif self._current is None:
            _append(self.metadata, event, self._limit)
        else:
            self._current[2].write(event)

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
        spooled = self._files.enter_context(tempfile.SpooledTemporaryFile(_SPOOLED))  # noqa: SIM115
        self._current = (location, kind, cast(BinaryIO, spooled))

    def _end(self) -> None:
        if self._current is not None:
            location, kind, content = self._current
            self.parts[location] = BulkPart(kind, content, content.tell())
            self._current = None


def _append(metadata: bytearray, piece: bytes, limit: int) -> None:
    metadata += piece
    if len(metadata) > limit:
        raise BodyTooLargeError(f"The metadata has more than {limit} bytes.")


def _store(batch: StoreBatch, metadata: bytes, parts: dict[str, BulkPart]) -> None:
    try:
        instances = instances_in(metadata)
    except JsonInstanceError as error:
        raise BadRequestError(str(error)) from error
    for instance in instances:
        try:
            pieces = as_file(instance, parts)
        except JsonInstanceError as error:
            batch.refuse(str(error), *named_uids(instance))
            continue
        batch.begin()
        for piece in pieces:
            batch.write(piece)
        batch.finish()
