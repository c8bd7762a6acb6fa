"""An association: messages in and out, at either end (PS3.7 6.3, PS3.8 Annex E).

The state table decides what every event means; here it is told what happens, and what it says is done.
One thread has an association: it waits for the answers to its own requests and performs those of the peer. What it
reads of a data set lies in the connection's buffer, so that memory does not grow with the object.
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from kinote.dicom.files.data_set_file import DataSet
from kinote.dimse.command_sets.coding import LONGEST, decode_command, encode_command
from kinote.dimse.commands import Command
from kinote.dimse.endpoint import Endpoint, Patience
from kinote.dimse.errors import (
    AbortReason,
    AssociationError,
    CommandError,
    PduError,
    ReleasedError,
    UnreadableDataSetError,
)
from kinote.dimse.negotiation import Context
from kinote.dimse.pdu import (
    AssociateRequest,
    DataTransfer,
    Pdu,
    PresentationData,
    ReleaseRequest,
    data_in_pieces,
)
from kinote.dimse.state_table import Event, State
from kinote.dimse.under_way import UnderWay

#: Bytes of a data set that are read and sent at once, in as many PDUs as it takes; and how many these may be,
#: since each lies in pieces of its own.
_BLOCK = 1024 * 1024
_PDUS = 256

#: A peer that takes PDUs of any length (PS3.8 D.1.1) gets them of this one, and none gets longer ones.
_LONGEST_SENT = 131_072

#: Length of a presentation data value's own head, which counts to the PDU's length.
_VALUE_HEAD = 6

#: No peer can mean a shorter one: a command would take dozens of PDUs.
_SHORTEST_SENT = 128


@dataclass(frozen=True, slots=True)
class Message:
    """A command that has come; its data set, where one follows, is still to be read."""

    context: Context
    command: Command


@dataclass(frozen=True, slots=True)
class Handed:
    """An association that another process goes on with: all that does not lie in its socket.

    `unread` has come in and was not looked at; `received` and `sent` are bytes.
    """

    request: AssociateRequest
    contexts: Mapping[int, Context]
    peer_maximum_length: int
    patience: Patience
    unread: bytes
    received: int
    sent: int


class Association:
    """An association that has been established; `request` is what was proposed, by whichever end.

    `perform` performs a request of the peer: it reads the data set as far as it wants, and answers. Nothing is
    offered where it is None. `under_way` is what goes on in either direction.
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
        self.under_way = UnderWay()
        self._endpoint = endpoint
        self._patience = endpoint.patience
        self._peer_maximum_length = peer_maximum_length
        longest = min(peer_maximum_length or _LONGEST_SENT, _LONGEST_SENT)
        self._fragment = max(longest, _SHORTEST_SENT) - _VALUE_HEAD
        self._values: deque[PresentationData] = deque()
        #: The context in which fragments of a data set are still to come.
        self._open_data: Context | None = None
        #: Until when the peer has to have sent what is read now, by `within`.
        self._deadlines: list[float] = []
        #: Seconds in which the peer was waited for while there was a deadline.
        self._waited = 0.0

    @property
    def received(self) -> int:
        """Bytes that have come in."""
        return self._endpoint.connection.received

    @property
    def sent(self) -> int:
        """Bytes that have gone out."""
        return self._endpoint.connection.sent

    @property
    def we_request(self) -> bool:
        """Whether we have opened it."""
        return self._endpoint.layer.is_requestor

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self._endpoint.is_open

    @property
    def patience(self) -> Patience:
        """How long the peer may be silent."""
        return self._patience

    @property
    def peer_host(self) -> str:
        """The address that the peer has; empty where it has none."""
        return self._endpoint.connection.peer_host

    def context_for(self, abstract_syntax: str) -> Context | None:
        """The first accepted context of a SOP class."""
        return next(
            (each for each in self.contexts.values() if each.abstract_syntax == abstract_syntax), None
        )

    def we_are_scu(self, context: Context) -> bool:
        """Whether we may invoke the operations of a context."""
        return context.requestor_is_scu if self.we_request else context.requestor_is_scp

    def we_are_scp(self, context: Context) -> bool:
        """Whether we perform the operations of a context, and may send its notifications."""
        return context.requestor_is_scp if self.we_request else context.requestor_is_scu

    def new_message_id(self) -> int:
        """An identifier that no other message under way has (PS3.7 9.1.1.1.1)."""
        return self.under_way.new_message_id()

    # --- deadlines ----------------------------------------------------------------------------------

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is received has to come within so many seconds in all, however the peer spreads it.

        One that takes longer ends the association (`AssociationError`). Within another deadline, the earlier counts.
        """
        self._deadlines.append(time.monotonic() + seconds)
        try:
            yield
        finally:
            self._deadlines.pop()

    @contextmanager
    def our_own_time(self) -> Iterator[None]:
        """What is done here does not count to the deadlines, other than the time in which the peer is waited for."""
        begun, waited = time.monotonic(), self._waited
        try:
            yield
        finally:
            ours = time.monotonic() - begun - (self._waited - waited)
            self._deadlines = [each + ours for each in self._deadlines]

    @property
    def is_overdue(self) -> bool:
        """Whether a deadline is over."""
        return bool(self._deadlines) and time.monotonic() >= min(self._deadlines)

    # --- receiving ----------------------------------------------------------------------------------

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message, whoever is to begin one; None once the peer has released the association.

        What is left of the data set before is passed over. Waits for so many `seconds`, or as long as the peer may be
        silent. Raises `AssociationError` where the association has ended otherwise.
        """
        if self._open_data is not None:
            self.pass_over()
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
        """The next message, where one is due: a release is not expected, and silence is none."""
        message = self.receive(seconds)
        if message is None:
            raise ReleasedError("The peer has released the association while an answer was due")
        return message

    def pass_over(self) -> None:
        """Read what is left of the message's data set."""
        for _ in self.data_set():
            pass

    def data_set(self) -> Iterator[memoryview]:
        """The bytes of the message's data set, in pieces that are good until the next one is asked for."""
        while (context := self._open_data) is not None:
            value = self._next_value(self._patience.within)
            if value.is_command or value.context_id != context.id:
                raise self.break_off("A fragment of a data set was due", AbortReason.UNEXPECTED_PARAMETER)
            if value.is_last:
                self._open_data = None
            yield memoryview(value.fragment)

    def whole_data_set(self, limit: int) -> bytes | None:
        """The data set, of so many bytes at most; None if it is longer, and what is left of it is still to be read."""
        data = bytearray()
        for piece in self.data_set():
            if len(data) + len(piece) > limit:
                return None
            data += piece
        return bytes(data)

    def something_waits(self) -> bool:
        """Whether the peer has sent something that has not been looked at, or has gone."""
        return bool(self._values) or self._endpoint.connection.has_more()

    def wait(self, seconds: float) -> bool:
        """Wait until `something_waits`, for so many seconds at most; whether it does."""
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
                raise self.break_off("A fragment of a command was due", AbortReason.UNEXPECTED_PARAMETER)
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
            raise self._endpoint.give_up("The peer took too long to send what was due")
        try:
            return self._endpoint.next(min(seconds, left))
        finally:
            self._waited += time.monotonic() - begun

    # --- sending ------------------------------------------------------------------------------------

    def send(self, context: Context, command: Command, data_set: bytes | DataSet | None = None) -> None:
        """Send a message, its command and as much of its data set as goes together in one write.

        Raises `AssociationError` where the association has ended. A file that ends too early, or can no longer be
        read, ends the association (`UnreadableDataSetError`): half a data set cannot be taken back.
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
            # It lasts as long as the peer wants.
            self._waited += time.monotonic() - begun

    def _read(self, data_set: DataSet) -> Iterator[tuple[bytes | memoryview, bool]]:
        try:
            for block, is_last in _blocks(data_set, self._fragment):
                if block is None:
                    raise OSError("The data set to be sent ends too early")
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
        """Release the association in agreement with the peer (PS3.8 7.2); nothing if it has ended.

        What still comes is passed over.
        """
        if not self._endpoint.is_open:
            return
        self._endpoint.happen(Event.RELEASE_REQUEST)
        deadline = time.monotonic() + self._patience.artim
        while self._endpoint.is_open:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._endpoint.give_up("The peer does not reply to the release")
            pdu = self._endpoint.next(left)
            if isinstance(pdu, ReleaseRequest):
                # Both ends ask in the same moment (PS3.8 7.2.2.2).
                if self._endpoint.layer.state is State.COLLISION_REQUESTOR_AWAITING_LOCAL:
                    self._endpoint.happen(Event.RELEASE_RESPONSE)
            elif self._endpoint.layer.state is State.COLLISION_ACCEPTOR_AWAITING_LOCAL:
                self._endpoint.happen(Event.RELEASE_RESPONSE)
                self._endpoint.await_close()

    def break_off(
        self, why: str, reason: AbortReason = AbortReason.INVALID_PARAMETER_VALUE
    ) -> AssociationError:
        """What the peer sent has no place here: the association is aborted; gives the error to raise."""
        return self._endpoint.give_up(PduError(why, reason))

    def abort(self) -> None:
        """End the association at once (PS3.8 7.3); nothing if it has ended."""
        self._endpoint.abort()

    def stop(self) -> None:
        """From another thread: end the association as soon as no message is under way."""
        self._endpoint.stop()

    # --- another process ----------------------------------------------------------------------------

    def hand_over(self, stop: Callable[[], None]) -> Handed:
        """Have another process go on with it before a message has been received; `stop` tells that one to stop.

        The connection stays open here: it is closed when the other has told its end (`ended_elsewhere`), and used
        again where it does not go on (`take_back`).
        """
        self._endpoint.hand_over(stop)
        connection = self._endpoint.connection
        return Handed(
            # What was proposed has been answered.
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
        """The number of its socket."""
        return self._endpoint.connection.descriptor

    def close(self) -> None:
        """Close the connection; for who has taken the association over."""
        self._endpoint.connection.close()

    def leave(self) -> None:
        """Close the socket here alone: the connection goes on where another process has it."""
        self._endpoint.connection.leave()

    def end(self) -> None:
        """From another thread: end the association at once, also within a message."""
        self._endpoint.connection.stop_reading()

    def take_back(self) -> None:
        """The other process does not go on with it."""
        self._endpoint.take_back()

    def ended_elsewhere(self) -> None:
        """The other process has brought it to its end."""
        self._endpoint.ended_elsewhere()


def _blocks(data_set: DataSet, fragment: int) -> Iterator[tuple[bytes | memoryview | None, bool]]:
    """The bytes of a file in blocks that fill whole PDUs, and whether each is the last; None if it ends early."""
    size = min(max(_BLOCK // fragment, 1), _PDUS) * fragment
    left = data_set.size
    file = data_set.file
    if isinstance(file, io.BytesIO) and not file.tell():
        # In memory already: not copied once more.
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
