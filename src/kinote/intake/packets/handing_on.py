"""The receiver process's end of a channel: an `Upload` is received here, and passed on when it is complete.

Imports neither the catalog's connections nor any other store: a receiver process has none.
"""

from __future__ import annotations

import contextlib
import logging
import socket

from kinote.intake.arrival import Arrival
from kinote.intake.expected import Expected
from kinote.intake.outcome import OUT_OF_RESOURCES, PROCESSING_FAILURE, Outcome
from kinote.intake.packets.frames import HEAD, LONGEST, Kind, frame
from kinote.intake.packets.packet import decode_answer, encode_packet, encode_told
from kinote.intake.upload import Upload
from kinote.security.origins import Origin
from kinote.storage.incoming_small import IncomingSmall
from kinote.storage.store import Incoming, StorageError, Store
from kinote.telemetry.clock import Clock, ToldClock

log = logging.getLogger(__name__)

#: The store of large objects, which the main process names.
LargeObjects = Store

#: The store of small objects belongs to the main process.
_NOT_HERE = 0


class MainProcessLostError(RuntimeError):
    """The main process has ended, or does not continue this association. Nothing may be answered any more."""


class HandingOn:
    """The destination of the objects of one association, for use by one thread."""

    def __init__(self, channel: socket.socket, store: LargeObjects, clock: ToldClock) -> None:
        self._channel = channel
        self._store = store
        self.clock: Clock = clock
        self._told = clock

    def open(self, origin: Origin, expected: Expected) -> Upload:
        """Begin to receive one object, like `Receiver.open`."""
        return Upload(self, origin, expected)

    def begun(self) -> None:
        """Report that the association is being served. Raises `MainProcessLostError` if it must not be."""
        self._send(Kind.BEGUN)

    def ended(self, told: object) -> None:
        """Report the end of the association, if the main process is still there."""
        with contextlib.suppress(MainProcessLostError):
            self._send(Kind.ENDED, encode_told(told))

    def close(self) -> None:
        self._channel.close()

    # --- what an upload asks of its destination -----------------------------------------------------

    def receive_large(self) -> Incoming:
        file = self._store.receive(self.clock())
        try:
            # If this process dies, the main process knows which file is unfinished.
            self._send(Kind.RECEIVING, (file.key or "").encode())
        except MainProcessLostError:
            file.abandon()
            raise
        return file

    def receive_small(self) -> Incoming:
        return IncomingSmall(_NOT_HERE)

    def commit(self, arrival: Arrival, *, sync_here: bool) -> None:
        """Make the bytes durable, and let the main process do the rest (law 6). Returns when it has answered."""
        del sync_here  # There is nobody else.
        arrival.done.set_result(self._committed(arrival))

    def observe(self, refusal: Outcome) -> None:
        self._send(Kind.REFUSED, encode_told(refusal))

    def _committed(self, arrival: Arrival) -> Outcome:
        try:
            if arrival.file is not None:
                arrival.file.finish()
        except StorageError as error:
            return self._refused(arrival, str(error))
        try:
            packet = encode_packet(arrival)
        except Exception as error:
            log.exception("An object cannot be handed on")
            return self._refused(arrival, f"The object cannot be handed on: {error}", PROCESSING_FAILURE)
        if len(packet) > LONGEST:
            return self._refused(arrival, f"What was read of the object takes {len(packet)} bytes.")
        self._send(Kind.PACKET, packet)
        return self._answer()

    def _refused(self, arrival: Arrival, reason: str, status: int = OUT_OF_RESOURCES) -> Outcome:
        if arrival.file is not None:
            arrival.file.abandon()
        refusal = arrival.refusal(status, reason)
        self.observe(refusal)
        return refusal

    def _answer(self) -> Outcome:
        length, _ = HEAD.unpack(self._exactly(HEAD.size))
        outcome, now = decode_answer(memoryview(self._exactly(length)))
        self._told.tell(now)
        return outcome

    def _send(self, kind: Kind, content: bytes = b"") -> None:
        try:
            self._channel.sendall(frame(kind, content))
        except OSError as error:
            raise MainProcessLostError(f"Kinote's main process has gone: {error.strerror}") from error

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                came = self._channel.recv(size - len(data), socket.MSG_WAITALL)
            except OSError as error:
                raise MainProcessLostError(f"Kinote's main process has gone: {error.strerror}") from error
            if not came:
                raise MainProcessLostError("Kinote's main process has gone")
            data += came
        return data
