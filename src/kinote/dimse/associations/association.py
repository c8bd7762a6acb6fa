"""Sending and receiving messages on an association, as requestor or acceptor (PS3.7 6.3, PS3.8 Annex E).

Each association belongs to one thread, which waits for responses to its own requests and performs the peer's
requests. Received data sets are read through the connection's buffer, so memory does not grow with the object.
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse.associations.negotiation import Context
from kinote.dimse.associations.under_way import UnderWay
from kinote.dimse.command_sets.coding import LONGEST, decode_command, encode_command
from kinote.dimse.commands import Command
from kinote.dimse.errors import (
    AbortReason,
    AssociationError,
    CommandError,
    PduError,
    ReleasedError,
    UnreadableDataSetError,
)
from kinote.dimse.protocol.pdu import (
    AssociateRequest,
    DataTransfer,
    Pdu,
    PresentationData,
    ReleaseRequest,
    data_in_pieces,
)
from kinote.dimse.protocol.state_table import Event, State
from kinote.dimse.transport.endpoint import Endpoint, Patience
from kinote.memory import estimates
from kinote.memory.ledger import Charge

#: Bytes of a data set that are read and sent in one write. They are split into PDUs, of which one write takes at
#: most `_PDUS`, since each PDU is passed to the system as separate pieces.
_BLOCK = 1024 * 1024
_PDUS = 256

#: Longest PDU that we send, in bytes, also to peers that accept any length (PS3.8 D.1.1).
_LONGEST_SENT = 131_072

#: Bytes of a presentation data value's header, which count towards the PDU length.
_VALUE_HEAD = 6

#: Shorter maximum lengths are ignored as mistakes: one command would take dozens of PDUs.
_SHORTEST_SENT = 128


@dataclass(frozen=True, slots=True)
class Message:
    """A received command. Its data set, if there is one, has not been read yet."""

    context: Context
    command: Command


@dataclass(frozen=True, slots=True)
class Handed:
    """The state of an association that is handed to another process together with its socket.

    `unread` holds received bytes that have not been processed. `received` and `sent` count bytes.
    """

    request: AssociateRequest
    contexts: Mapping[int, Context]
    peer_maximum_length: int
    patience: Patience
    unread: bytes
    received: int
    sent: int


class Association:
    """An established association.

    `request` is the A-ASSOCIATE-RQ, ours or the peer's. `perform` handles a request of the peer: it reads as much
    of the data set as it needs and sends the response. If it is None, every request is refused. `under_way` holds
    the outstanding operations of both directions.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        request: AssociateRequest,
        contexts: Mapping[int, Context],
        peer_maximum_length: int,
    ) -> None:
        self.request = request
        self.contexts = contexts
        self.perform: Callable[[Association, Message], None] | None = None
        #: What was found out about the user of the peer when the association was accepted (PS3.7 D.3.3.7).
        self.user: object = None
        self.under_way = UnderWay()
        self._endpoint = endpoint
        self._patience = endpoint.patience
        self._peer_maximum_length = peer_maximum_length
        longest = min(peer_maximum_length or _LONGEST_SENT, _LONGEST_SENT)
        self._fragment = max(longest, _SHORTEST_SENT) - _VALUE_HEAD
        self._values: deque[PresentationData] = deque()
        #: The context of the data set that is being received; None between data sets.
        self._open_data: Context | None = None
        #: The deadlines of the enclosing `within` blocks, as values of `time.monotonic`.
        self._deadlines: list[float] = []
        #: Seconds spent waiting for the peer while there was a deadline.
        self._waited = 0.0

    @property
    def received(self) -> int:
        """Number of bytes received."""
        return self._endpoint.connection.received

    @property
    def sent(self) -> int:
        """Number of bytes sent."""
        return self._endpoint.connection.sent

    @property
    def we_request(self) -> bool:
        """Whether we are the association requestor."""
        return self._endpoint.layer.is_requestor

    @property
    def is_open(self) -> bool:
        """Whether the association has not ended."""
        return self._endpoint.is_open

    @property
    def patience(self) -> Patience:
        """The time limits for the peer."""
        return self._patience

    @property
    def peer_host(self) -> str:
        """The peer's address; empty if it has none."""
        return self._endpoint.connection.peer_host

    def context_for(self, abstract_syntax: str) -> Context | None:
        """Return the first accepted context of a SOP class, or None."""
        return next(
            (each for each in self.contexts.values() if each.abstract_syntax == abstract_syntax), None
        )

    def we_are_scu(self, context: Context) -> bool:
        """Return whether we may invoke operations in a context."""
        return context.requestor_is_scu if self.we_request else context.requestor_is_scp

    def we_are_scp(self, context: Context) -> bool:
        """Return whether we perform operations and may send notifications in a context."""
        return context.requestor_is_scp if self.we_request else context.requestor_is_scu

    def new_message_id(self) -> int:
        """Return a Message ID that no outstanding message has (PS3.7 9.1.1.1.1)."""
        return self.under_way.new_message_id()

    # --- deadlines ----------------------------------------------------------------------------------

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit the total time for everything received in this block, however the peer spreads it.

        After `seconds`, the association is aborted with `AssociationError`. In nested blocks the earliest deadline
        applies.
        """
        self._deadlines.append(time.monotonic() + seconds)
        try:
            yield
        finally:
            self._deadlines.pop()

    @contextmanager
    def our_own_time(self) -> Iterator[None]:
        """Extend the deadlines by the time spent in this block, apart from the time spent waiting for the peer."""
        begun, waited = time.monotonic(), self._waited
        try:
            yield
        finally:
            ours = time.monotonic() - begun - (self._waited - waited)
            self._deadlines = [each + ours for each in self._deadlines]

    @property
    def is_overdue(self) -> bool:
        """Whether a deadline has passed."""
        return bool(self._deadlines) and time.monotonic() >= min(self._deadlines)

    # --- receiving ----------------------------------------------------------------------------------

    def receive(self, seconds: float | None = None) -> Message | None:
        """Return the next message, or None if the peer has released the association.

        The unread rest of the previous data set is skipped. Waits up to `seconds`, by default as long as the peer
        may be idle. Raises `AssociationError` if the association ends in any other way.
        """
        if self._open_data is not None:
            self.skip_data_set()
        if not self._values:
            self._endpoint.begin_idle()
        try:
            first = self._next_value(self._patience.idle if seconds is None else seconds)
        except ReleasedError:
            return None
        finally:
            self._endpoint.is_idle = False
        context = self._context(first)
        command = self._command(first)
        if command.has_data_set:
            self._open_data = context
        return Message(context, command)

    def receive_due(self, seconds: float | None = None) -> Message:
        """Return the next message, as `receive` does. Raises `ReleasedError` if the peer releases instead."""
        message = self.receive(seconds)
        if message is None:
            raise ReleasedError("The peer has released the association while an answer was due")
        return message

    def skip_data_set(self) -> None:
        """Skip the unread rest of the current data set."""
        for _ in self.data_set():
            pass

    def data_set(self) -> Iterator[memoryview]:
        """Yield the current data set in pieces. Each piece is valid only until the next one is requested."""
        while (context := self._open_data) is not None:
            value = self._next_value(self._patience.within)
            if value.is_command or value.context_id != context.id:
                raise self.break_off("A data set fragment was expected", AbortReason.UNEXPECTED_PARAMETER)
            if value.is_last:
                self._open_data = None
            yield memoryview(value.fragment)

    def whole_data_set(self, limit: int, memory: Charge | None = None) -> bytes | None:
        """Return the whole data set. Returns None if it exceeds `limit` bytes; its rest is then still unread.

        What it takes to read it is charged to `memory`. Raises `MemoryFullError`; the rest is then unread as well.
        """
        data = bytearray()
        for piece in self.data_set():
            if len(data) + len(piece) > limit:
                return None
            data += piece
            if memory is not None:
                memory.reach(estimates.of_header(len(data)))
        return bytes(data)

    def something_waits(self) -> bool:
        """Return whether unprocessed bytes have arrived or the connection has ended."""
        return bool(self._values) or self._endpoint.connection.has_more()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until `something_waits`. Returns whether it does."""
        if self._values:
            return True
        self._endpoint.begin_idle()
        try:
            return self._endpoint.connection.wait(seconds)
        finally:
            self._endpoint.is_idle = False

    def _command(self, value: PresentationData) -> Command:
        data = bytearray()
        context_id = value.context_id
        for _ in range(LONGEST):
            if not value.is_command or value.context_id != context_id:
                raise self.break_off("A command fragment was expected", AbortReason.UNEXPECTED_PARAMETER)
            data += value.fragment
            if len(data) > LONGEST:
                raise self.break_off(f"A command of more than {LONGEST} bytes")
            if value.is_last:
                break
            value = self._next_value(self._patience.within)
        else:
            raise self.break_off(f"A command of more than {LONGEST} fragments")
        try:
            return decode_command(bytes(data))
        except CommandError as error:
            raise self.break_off(str(error)) from error

    def _context(self, value: PresentationData) -> Context:
        context = self.contexts.get(value.context_id)
        if context is None:
            raise self.break_off(f"Presentation context {value.context_id} has not been accepted")
        return context

    def _next_value(self, seconds: float) -> PresentationData:
        while not self._values:
            pdu = self._next_pdu(seconds)
            if isinstance(pdu, ReleaseRequest):
                self._endpoint.happen(Event.RELEASE_RESPONSE)
                self._endpoint.await_close()
                raise ReleasedError("The peer has released the association")
            assert isinstance(pdu, DataTransfer)
            self._values.extend(pdu.values)
        return self._values.popleft()

    def _next_pdu(self, seconds: float) -> Pdu:
        if not self._deadlines:
            return self._endpoint.next(seconds)
        begun = time.monotonic()
        left = min(self._deadlines) - begun
        if left <= 0:
            raise self._endpoint.give_up("The peer did not send a complete message in time")
        try:
            return self._endpoint.next(min(seconds, left))
        finally:
            self._waited += time.monotonic() - begun

    # --- sending ------------------------------------------------------------------------------------

    def send(self, context: Context, command: Command, data_set: bytes | DataSet | None = None) -> None:
        """Send a command and its data set. The command goes out in one write with the beginning of the data set.

        Raises `AssociationError` if the association has ended. If the file ends early or cannot be read, raises
        `UnreadableDataSetError` and aborts the association, because a partly sent data set cannot be taken back.
        """
        self._endpoint.require_sending()
        pieces = self._pdus(context, encode_command(command), is_command=True, is_last=True)
        if isinstance(data_set, bytes):
            data_set = DataSet(io.BytesIO(data_set), len(data_set))
        if data_set is not None:
            if data_set.size == 0:
                pieces += self._pdus(context, b"", is_command=False, is_last=True)
            for block, is_last in self._read(data_set):
                pieces += self._pdus(context, block, is_command=False, is_last=is_last)
                self._send(pieces)
                pieces = []
        if pieces:
            self._send(pieces)

    def _send(self, pieces: list[bytes | memoryview]) -> None:
        begun = time.monotonic() if self._deadlines else 0.0
        self._endpoint.send(pieces)
        if self._deadlines:
            # The peer determines how long this takes.
            self._waited += time.monotonic() - begun

    def _read(self, data_set: DataSet) -> Iterator[tuple[bytes | memoryview, bool]]:
        try:
            for block, is_last in _blocks(data_set, self._fragment):
                if block is None:
                    raise OSError("The data set to send ends too early")
                yield block, is_last
        except OSError as error:
            self._endpoint.give_up(str(error))
            raise UnreadableDataSetError(str(error)) from error

    def _pdus(
        self, context: Context, data: bytes | memoryview, *, is_command: bool, is_last: bool
    ) -> list[bytes | memoryview]:
        return data_in_pieces(
            context.id, data, is_command=is_command, is_last=is_last, fragment=self._fragment
        )

    # --- the end ------------------------------------------------------------------------------------

    def release(self) -> None:
        """Release the association (PS3.8 7.2). Does nothing if it has ended.

        Messages that still arrive are ignored.
        """
        if not self._endpoint.is_open:
            return
        self._endpoint.happen(Event.RELEASE_REQUEST)
        deadline = time.monotonic() + self._patience.artim
        while self._endpoint.is_open:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._endpoint.give_up("The peer does not answer the release request")
            pdu = self._endpoint.next(left)
            if isinstance(pdu, ReleaseRequest):
                # Release collision: both ends request it at the same time (PS3.8 7.2.2.2).
                if self._endpoint.layer.state is State.COLLISION_REQUESTOR_AWAITING_LOCAL:
                    self._endpoint.happen(Event.RELEASE_RESPONSE)
            elif self._endpoint.layer.state is State.COLLISION_ACCEPTOR_AWAITING_LOCAL:
                self._endpoint.happen(Event.RELEASE_RESPONSE)
                self._endpoint.await_close()

    def break_off(
        self, why: str, reason: AbortReason = AbortReason.INVALID_PARAMETER_VALUE
    ) -> AssociationError:
        """Abort because of what the peer sent, with `reason` (PS3.8 9.3.8). Returns the error to raise."""
        return self._endpoint.give_up(PduError(why, reason))

    def abort(self) -> None:
        """Abort the association (PS3.8 7.3). Does nothing if it has ended."""
        self._endpoint.abort()

    def stop(self) -> None:
        """End the association as soon as no message is in progress. To be called by another thread."""
        self._endpoint.stop()

    # --- another process ----------------------------------------------------------------------------

    def hand_over(self, stop: Callable[[], None]) -> Handed:
        """Let another process continue the association, before any message was received.

        `stop` is called to tell that process to stop. The connection stays open here. Call `ended_elsewhere` once
        the other process has ended the association, or `take_back` if it could not continue.
        """
        self._endpoint.hand_over(stop)
        connection = self._endpoint.connection
        return Handed(
            # The proposed contexts are not needed after the negotiation.
            replace(self.request, contexts=()),
            dict(self.contexts),
            self._peer_maximum_length,
            self._patience,
            connection.unread,
            connection.received,
            connection.sent,
        )

    @property
    def descriptor(self) -> int:
        """The file descriptor of the socket."""
        return self._endpoint.connection.descriptor

    def close(self) -> None:
        """Close the connection. To be called by a process that has taken over the association."""
        self._endpoint.connection.close()

    def leave(self) -> None:
        """Close the socket in this process only. The connection stays open in the process that took it over."""
        self._endpoint.connection.leave()

    def end(self) -> None:
        """End the association at once, even within a message. To be called by another thread."""
        self._endpoint.connection.stop_reading()

    def take_back(self) -> None:
        """Continue the association here, because the other process could not."""
        self._endpoint.take_back()

    def ended_elsewhere(self) -> None:
        """Note that the other process has ended the association."""
        self._endpoint.ended_elsewhere()


def _blocks(data_set: DataSet, fragment: int) -> Iterator[tuple[bytes | memoryview | None, bool]]:
    """Yield a data set in blocks that fill whole PDUs, each with whether it is the last; None if it ends early."""
    size = min(max(_BLOCK // fragment, 1), _PDUS) * fragment
    left = data_set.size
    file = data_set.file
    if isinstance(file, io.BytesIO) and not file.tell():
        # Already in memory, so not copied again.
        whole = memoryview(file.getvalue())
        for begin in range(0, left, size):
            end = min(begin + size, left)
            yield whole[begin:end] if end <= len(whole) else None, end == left
        return
    while left:
        block = file.read(min(size, left))
        left -= len(block)
        if left and len(block) < size:
            yield None, False
            return
        yield block, left == 0
