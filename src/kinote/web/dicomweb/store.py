"""STOW-RS (PS3.18 10.5): studies come in, streamed from the socket to storage.

The body is read in the event loop and parsed in one worker thread per request. An object whose last byte is
there is synced by threads beside it, several at a time, since a disk syncs many files in little more than
the time of one; it commits in groups with those of all other senders, while the next ones arrive.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from starlette.requests import Request
from starlette.responses import Response

from kinote.intake.outcome import CANNOT_UNDERSTAND, Outcome, refused
from kinote.intake.receiver import Upload
from kinote.web.dicomweb.addresses import Addresses
from kinote.web.dicomweb.store_response import refusals, store_response, store_status
from kinote.web.multipart_related import MultipartError, PartBegins, PartEnds, PartReader
from kinote.web.negotiation import MediaType, accepted, choose, media_type
from kinote.web.problems import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError
from kinote.web.request_body import BodyBrokenOffError, in_thread_with_body
from kinote.web.rooms import Rooms, rooms_of

_DICOM = "application/dicom"
_JSON = "application/dicom+json"

#: Objects of one request that may be waiting to be synced, each with an open file.
_SYNCING = 32

#: Objects of one request that may be on their way to a commit; each may hold 64 KB in memory.
_PENDING = 400

Pieces = Iterator[bytes]


async def store(request: Request) -> Response:
    """`POST /studies` and `/studies/{study}`."""
    rooms = rooms_of(request)
    ranges = accepted(request)
    if choose(ranges, (_JSON, "application/json")) is None:
        raise NotAcceptableError(f"The answer to a store request is available as {_JSON} only.")
    take = _taker(request, rooms)
    outcomes = await in_thread_with_body(request, take, rooms.threads.uploads)
    if not outcomes:
        raise BadRequestError("The body holds no instance.")
    reasons = refusals(outcomes).encode("ascii", "replace").decode().replace('"', "'")
    return Response(
        json.dumps(store_response(outcomes, Addresses(request))).encode(),
        status_code=store_status(outcomes),
        media_type=_JSON,
        headers={"Warning": f'299 kinote "{reasons}"'} if reasons else None,
    )


def _taker(request: Request, rooms: Rooms) -> Callable[[Pieces], list[Outcome]]:
    """What takes the body, by its media type."""
    declared = request.headers.get("content-type")
    if declared is None:
        raise UnsupportedMediaTypeError("Content-Type: missing; send multipart/related or application/dicom.")
    kind = media_type(declared)
    received_from = f"STOW-RS {request.client.host if request.client else ''}".strip()
    batch = _Batch(rooms, received_from, request.path_params.get("study"))
    if kind.name == _DICOM:
        return batch.take_single
    if kind.name == "multipart/related":
        # Some clients leave out the type; then the parts say what they are.
        part_type = kind.part_type.name if "type" in kind.parameters else _DICOM
        if part_type == _DICOM:
            return lambda pieces: batch.take_parts(
                PartReader(_boundary(kind), max_parts=rooms.options.max_parts), pieces
            )
    raise UnsupportedMediaTypeError(
        f'Content-Type: {declared} is not taken; send multipart/related; type="application/dicom", or one '
        "instance as application/dicom."
    )


def _boundary(kind: MediaType) -> str:
    return kind.parameters.get("boundary", "")


class _Batch:
    """The objects of one request, in a worker thread."""

    def __init__(self, rooms: Rooms, received_from: str, study: str | None) -> None:
        self._receiver = rooms.receiver
        self._syncers = rooms.threads.syncers
        self._received_from = received_from
        self._study = study
        self._upload: Upload | None = None
        self._syncing: deque[Future[Future[Outcome]]] = deque()
        self._pending: deque[Future[Outcome]] = deque()
        self._outcomes: list[Outcome] = []

    def take_single(self, pieces: Pieces) -> list[Outcome]:
        self._begin()
        try:
            for piece in pieces:
                self._write(piece)
        except BaseException:
            self._abandon()
            raise
        self._finish()
        return self._settled()

    def take_parts(self, reader: PartReader, pieces: Pieces) -> list[Outcome]:
        """All parts; a body that turns out malformed keeps the parts that were complete until then."""
        try:
            self._read(reader, pieces)
        except MultipartError as error:
            self._abandon()
            if not self._settled():
                raise
            self._outcomes.append(refused(CANNOT_UNDERSTAND, str(error)))
        except BodyBrokenOffError:
            self._abandon()
            self._settled()
            raise
        return self._settled()

    def _read(self, reader: PartReader, pieces: Pieces) -> None:
        for piece in pieces:
            for event in reader.feed(piece):
                if isinstance(event, bytes):
                    self._write(event)
                elif isinstance(event, PartEnds):
                    self._finish()
                else:
                    self._begin_part(event)
        reader.finish()

    def _begin_part(self, part: PartBegins) -> None:
        declared = part.headers.get("content-type", _DICOM)
        try:
            name = media_type(declared).name
        except BadRequestError:
            name = declared
        if name == _DICOM:
            self._begin()
        else:
            self._outcomes.append(
                refused(CANNOT_UNDERSTAND, f"A part is {name}; only {_DICOM} parts are taken here.")
            )

    def _begin(self) -> None:
        self._upload = self._receiver.open(self._received_from, study_instance_uid=self._study)

    def _write(self, piece: bytes) -> None:
        if self._upload is not None:
            self._upload.write(piece)

    def _finish(self) -> None:
        if self._upload is None:
            return
        self._syncing.append(self._syncers.submit(self._upload.finish))
        self._upload = None
        self._collect(_SYNCING, _PENDING)

    def _abandon(self) -> None:
        if self._upload is not None:
            self._upload.abandon()
            self._upload = None

    def _settled(self) -> list[Outcome]:
        """All outcomes, once everything that was finished is durable or refused."""
        self._collect(0, 0)
        return self._outcomes

    def _collect(self, syncing: int, pending: int) -> None:
        """Take what is done, and wait until no more than these numbers are on their way."""
        while self._syncing and (len(self._syncing) > syncing or self._syncing[0].done()):
            self._pending.append(self._syncing.popleft().result())
        while self._pending and (len(self._pending) > pending or self._pending[0].done()):
            self._outcomes.append(self._pending.popleft().result())
