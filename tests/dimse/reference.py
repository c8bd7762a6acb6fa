"""What an acceptor has to answer to a stream of bytes: PS3.8 9.2 and PS3.7 6.3 told as one plain walk.

Written without the state table and the classes under test, for comparison with them; only single PDUs and
commands are read by the product's own readers, which have tests of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from kinote.dicom.values.uids import is_tolerable
from kinote.dimse.command_sets.coding import decode_command
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoRequest,
    Command,
    CStoreRequest,
    Request,
    UnrecognizedRequest,
)
from kinote.dimse.errors import CommandError, PduError
from kinote.dimse.protocol.pdu import (
    APPLICATION_CONTEXT,
    AssociateRequest,
    DataTransfer,
    PresentationData,
    ProposedContext,
    decode,
)

#: PDUs of other types than P-DATA-TF and the associate PDUs may not be longer.
_SHORT, _LONG = 1024, 1024 * 1024
_LONGEST_COMMAND = 16 * 1024

#: An answer: the type of the PDU and what counts of it.
Answer = tuple[int | str, ...]
REPLY: Answer = (6,)


class _Standing(Enum):
    NOTHING = "no association"
    ESTABLISHED = "established"
    #: The peer is to close; until then the state table still has something to say.
    OVER = "over"
    CLOSED = "closed"
    DEAF = "what comes cannot be told apart any more"


def abort(source: int, reason: int = 0) -> Answer:
    return (7, source, reason)


@dataclass
class Reference:
    """Takes the stream from its beginning.

    `accepts` says which presentation contexts are taken. `answers` are those due, `left` is how many bytes
    were not looked at.
    """

    accepts: Callable[[ProposedContext], bool]
    title: str = "KINOTE"
    answers: list[Answer] = field(default_factory=list)
    left: int = 0
    _standing: _Standing = _Standing.NOTHING
    #: The abstract syntaxes of the contexts that were taken.
    _contexts: dict[int, str] = field(default_factory=dict)
    _command: bytearray | None = None
    _context: int = 0
    #: What is answered when the data set has come, and whether one is under way.
    _due: Answer | None = None
    _is_in_data: bool = False

    def take(self, stream: bytes) -> None:
        at = 0
        while at + 6 <= len(stream):
            kind, length = stream[at], int.from_bytes(stream[at + 2 : at + 6], "big")
            if self._standing in (_Standing.CLOSED, _Standing.DEAF):
                break
            if not 1 <= kind <= 7 or length > (_LONG if kind in (1, 2, 4) else _SHORT):
                self._invalid(6 if 1 <= kind <= 7 else 1)
                self._standing = _Standing.DEAF
                break
            if at + 6 + length > len(stream):
                break
            self._pdu(kind, stream[at + 6 : at + 6 + length])
            at += 6 + length
        self.left = len(stream) - at

    @property
    def is_closed(self) -> bool:
        """Whether the acceptor has closed by itself, with bytes perhaps unread."""
        return self._standing is _Standing.CLOSED

    def fall_silent(self) -> None:
        """The peer says nothing more and leaves the connection open."""
        if self._standing is _Standing.ESTABLISHED:
            self.answers.append(abort(0))

    # --- PDUs ---------------------------------------------------------------------------------------

    def _pdu(self, kind: int, body: bytes) -> None:
        try:
            pdu = decode(kind, body)
        except PduError as error:
            self._invalid(int(error.reason))
            return
        if kind == 7:
            self._standing = _Standing.CLOSED
        elif self._standing is _Standing.OVER:
            # Table 9-10, Sta13: AA-7 for a request, AA-6 for the others.
            if kind == 1:
                self.answers.append(abort(2, 2))
        elif self._standing is _Standing.NOTHING:
            self._begin(pdu) if isinstance(pdu, AssociateRequest) else self._end(abort(0))
        elif isinstance(pdu, DataTransfer):
            for value in pdu.values:
                if self._standing is _Standing.ESTABLISHED:
                    self._value(value)
        else:
            self._end(REPLY if kind == 5 else abort(2, 2))

    def _begin(self, request: AssociateRequest) -> None:
        if not request.protocol_version & 1:
            self._end((3, 1, 2, 2))
        elif request.called_ae_title != self.title:
            self._end((3, 1, 1, 7))
        elif request.application_context != APPLICATION_CONTEXT:
            self._end((3, 1, 1, 2))
        else:
            self._standing = _Standing.ESTABLISHED
            for context in request.contexts[:128]:
                if context.id % 2 and context.id not in self._contexts and self.accepts(context):
                    self._contexts[context.id] = context.abstract_syntax
            self.answers.append((2, *sorted(self._contexts)))

    def _invalid(self, reason: int) -> None:
        """AA-1 before there is an association, AA-8 in it, AA-7 after it."""
        answer = abort(0) if self._standing is _Standing.NOTHING else abort(2, reason)
        self._end(answer)

    def _end(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._standing = _Standing.OVER

    # --- messages -----------------------------------------------------------------------------------

    def _value(self, value: PresentationData) -> None:
        if self._is_in_data:
            self._data(value)
            return
        if self._command is None:
            if value.context_id not in self._contexts:
                self._end(abort(2, 6))
                return
            self._command = bytearray()
            self._context = value.context_id
        if not value.is_command or value.context_id != self._context:
            self._end(abort(2, 5))
            return
        self._command += value.fragment
        if len(self._command) > _LONGEST_COMMAND:
            self._end(abort(2, 6))
        elif value.is_last:
            data, self._command = bytes(self._command), None
            try:
                self._perform(decode_command(data))
            except CommandError:
                self._end(abort(2, 6))

    def _perform(self, command: Command) -> None:
        match command:
            case CEchoRequest() | CStoreRequest() | UnrecognizedRequest():
                assert isinstance(command, Request)
                due: Answer = (4, type(command).__name__, command.message_id)
            case CCancelRequest():
                due = ()
            case _:
                self._end(abort(2, 6))
                return
        self._is_in_data = command.has_data_set
        # Only storing reads the data set before it answers, and not where the command says enough.
        if isinstance(command, CStoreRequest) and command.has_data_set and self._names_an_object(command):
            self._due = due
        elif due:
            self.answers.append(due)

    def _data(self, value: PresentationData) -> None:
        if value.is_command or value.context_id != self._context:
            self._end(abort(2, 5))
        elif value.is_last:
            self._is_in_data = False
            if self._due is not None:
                self.answers.append(self._due)
                self._due = None

    def _names_an_object(self, command: CStoreRequest) -> bool:
        """One that is no UID, or of a class that its context is not for, is refused for that alone."""
        class_uid = command.affected_sop_class_uid
        return (
            is_tolerable(class_uid)
            and is_tolerable(command.affected_sop_instance_uid)
            and class_uid == self._contexts[self._context]
        )


def pdus(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The PDUs of a stream of answers; one that is cut is none."""
    at = 0
    while at + 6 <= len(stream):
        end = at + 6 + int.from_bytes(stream[at + 2 : at + 6], "big")
        if end > len(stream):
            return
        yield stream[at], stream[at + 6 : end]
        at = end
