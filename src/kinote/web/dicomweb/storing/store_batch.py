"""Passes the objects of one store request to storage, in worker threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

from kinote.intake.expected import InStudy
from kinote.intake.outcome import CANNOT_UNDERSTAND, Outcome, refused
from kinote.intake.upload import Upload
from kinote.security.origins import Origin
from kinote.web.bodies.multipart_related import MultipartError, PartBegins, PartEnds, PartReader
from kinote.web.bodies.negotiation import media_type
from kinote.web.bodies.request_body import BodyBrokenOffError, Taking
from kinote.web.problems import BadRequestError
from kinote.web.rooms import Rooms

DICOM = "application/dicom"

#: The most objects of a request that wait for a commit; each may hold 64 KB in memory.
_PENDING = 400


class StoreBatch:
    """The objects of one request, in one worker thread at a time."""

    def __init__(self, rooms: Rooms, origin: Origin, study: str | None) -> None:
        self._receiver = rooms.receiver
        self._origin = origin
        self._expected = InStudy(study)
        self._upload: Upload | None = None
        self._pending: deque[Future[Outcome]] = deque()
        self._outcomes: list[Outcome] = []

    def take_single(self) -> Taking[list[Outcome]]:
        self.begin()
        try:
            while (piece := (yield)) is not None:
                self.write(piece)
        except BaseException:
            self.abandon()
            raise
        self.finish()
        return self.settled()

    def take_parts(self, reader: PartReader) -> Taking[list[Outcome]]:
        """Consume all parts. If the body turns out to be malformed, parts that were complete before are kept."""
        try:
            yield from self._read(reader)
        except MultipartError as error:
            self.abandon()
            if not self.settled():
                raise
            self.refuse(str(error))
        except BodyBrokenOffError:
            self.abandon()
            self.settled()
            raise
        return self.settled()

    def _read(self, reader: PartReader) -> Taking[None]:
        while (piece := (yield)) is not None:
            for event in reader.feed(piece):
                if isinstance(event, bytes):
                    self.write(event)
                elif isinstance(event, PartEnds):
                    self.finish()
                else:
                    self._begin_part(event)
        reader.finish()

    def _begin_part(self, part: PartBegins) -> None:
        declared = part.headers.get("content-type", DICOM)
        try:
            name = media_type(declared).name
        except BadRequestError:
            name = declared
        if name == DICOM:
            self.begin()
        else:
            self.refuse(f"A part is {name}; only {DICOM} parts are taken here.")

    def refuse(self, reason: str, sop_class_uid: str = "", sop_instance_uid: str = "") -> None:
        """Count an instance that could not be read from the body, named as far as it could be."""
        refusal = refused(
            CANNOT_UNDERSTAND, reason, sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid
        )
        self._receiver.observe(refusal.sent_by(self._origin))
        self._outcomes.append(refusal)

    def begin(self) -> None:
        """Begin the next object."""
        self._upload = self._receiver.open(self._origin, self._expected)

    def write(self, piece: bytes) -> None:
        """Write bytes of the current object; ignored if there is none."""
        if self._upload is not None:
            self._upload.write(piece)

    def finish(self) -> None:
        """Complete the current object."""
        if self._upload is None:
            return
        self._pending.append(self._upload.finish())
        self._upload = None
        self._collect(_PENDING)

    def abandon(self) -> None:
        """Discard the current object."""
        if self._upload is not None:
            self._upload.break_off("The request ended before the object was whole.")
            self._upload = None

    def settled(self) -> list[Outcome]:
        """Return all outcomes, once everything that was finished is durable or refused."""
        self._collect(0)
        return self._outcomes

    def _collect(self, pending: int) -> None:
        """Collect finished outcomes, and wait until no more than this number are pending."""
        while self._pending and (len(self._pending) > pending or self._pending[0].done()):
            self._outcomes.append(self._pending.popleft().result())
