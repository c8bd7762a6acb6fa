"""A peer that does what it should not: random scripts, played against an acceptor, compared with the reference."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kinote.dimse.command_sets.coding import decode_command, encode_command
from kinote.dimse.commands import (
    CCancelRequest,
    CEchoRequest,
    CEchoResponse,
    Command,
    CStoreRequest,
    CStoreResponse,
    UnrecognizedRequest,
    UnrecognizedResponse,
)
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    DataTransfer,
    PresentationData,
    ProposedContext,
    ReleaseReply,
    ReleaseRequest,
    decode,
    encode,
)
from kinote.scp.associations.offered import NATIVE, is_stored
from tests.dimse.ends import CT
from tests.dimse.reference import Answer, Reference, pdus

EXPLICIT = "1.2.840.10008.1.2.1"

#: Seconds until an acceptor that does not answer counts as hung.
_HUNG = 30


@dataclass(frozen=True)
class Script:
    """What is sent, in writes of which sizes, and how it ends.

    `close` ends what is sent and reads all answers; `silence` sends nothing more and waits for the end; `reset`
    and `leave` look at no answer.
    """

    stream: bytes
    writes: tuple[int, ...]
    end: str


def play(script: Script, address: tuple[str, int]) -> list[Answer] | None:
    """The answers that came; None where they are not looked at."""
    with socket.create_connection(address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(_HUNG)
        try:
            _send(sock, script)
            if script.end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if script.end in ("reset", "leave"):
                return None
            if script.end == "close":
                sock.shutdown(socket.SHUT_WR)
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
        return list(_in_short(_all(sock)))


def expected(script: Script) -> Reference:
    reference = Reference(_is_taken)
    reference.take(script.stream)
    if script.end == "silence":
        reference.fall_silent()
    return reference


def _is_taken(context: ProposedContext) -> bool:
    if context.abstract_syntax == VERIFICATION:
        return any(uid in NATIVE for uid in context.transfer_syntaxes)
    return bool(context.transfer_syntaxes) and is_stored(context.abstract_syntax, private=True)


def compare(script: Script, came: list[Answer] | None) -> None:
    """Hold what came against the reference."""
    if came is None:
        return
    reference = expected(script)
    due = reference.answers
    if reference.is_closed and reference.left:
        # With bytes unread the system resets the connection, and answers may be lost on their way.
        due = due[: len(came)]
    assert came == due, f"{came} in place of {due} to {script}"


def _send(sock: socket.socket, script: Script) -> None:
    at = number = 0
    while at < len(script.stream):
        size = script.writes[number % len(script.writes)]
        sock.sendall(script.stream[at : at + size])
        at += size
        number += 1


def _all(sock: socket.socket) -> bytes:
    data = bytearray()
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionError:
        pass
    return bytes(data)


def _in_short(stream: bytes) -> Iterator[Answer]:
    """What the acceptor has sent, as the reference tells it."""
    answer = b""
    for kind, body in pdus(stream):
        match decode(kind, body):
            case AssociateAccept(contexts=contexts):
                yield (2, *sorted({each.id for each in contexts if each.result == 0}))
            case AssociateReject(result, source, reason):
                yield (3, result, source, reason)
            case DataTransfer(values=(value,)):
                # In several PDUs for a peer that takes only short ones.
                answer += value.fragment
                if value.is_last:
                    yield _answered(decode_answer(answer))
                    answer = b""
            case Abort(source, reason):
                yield (7, source, reason)
            case _:
                yield (kind,)


def decode_answer(data: bytes) -> Command:
    field = data.index(b"\0\0\0\1\2\0\0\0")
    if data[field + 8 : field + 10] in (b"\x30\x80", b"\x01\x80"):
        return decode_command(data)
    code = int.from_bytes(data[field + 8 : field + 10], "little")
    number = data.index(b"\0\0\x20\1\2\0\0\0") + 8
    responded = int.from_bytes(data[number : number + 2], "little")
    return UnrecognizedResponse(command_field=code, message_id_being_responded_to=responded, status=0x0211)


def _answered(answer: Command) -> Answer:
    match answer:
        case CEchoResponse(message_id_being_responded_to=number):
            return (4, "CEchoRequest", number)
        case CStoreResponse(message_id_being_responded_to=number):
            return (4, "CStoreRequest", number)
        case UnrecognizedResponse(message_id_being_responded_to=number):
            return (4, "UnrecognizedRequest", number)
        case _:
            return (4, type(answer).__name__)


# --- scripts --------------------------------------------------------------------------------------


class Author:
    """Writes scripts at random: most begin as they should, and then go wrong."""

    def __init__(self, seed: int, data_set: bytes, uid: str) -> None:
        self._random = random.Random(seed)
        self._data_set = data_set
        self._uid = uid

    def script(self, *, silent: bool = False) -> Script:
        acts = [self._beginning()]
        acts += [self._act() for _ in range(self._random.choice((0, 1, 1, 2, 3, 5, 8)))]
        stream = b"".join(acts)
        if self._random.random() < 0.1:
            stream = stream[: self._random.randrange(len(stream) + 1)]
        if self._random.random() < 0.1:
            stream = self._damaged(stream)
        writes: tuple[int, ...] = (max(len(stream), 1),)
        if not silent and self._random.random() < 0.3:
            writes = tuple(self._random.randint(1, 400) for _ in range(3))
            if len(stream) < 1500 and self._random.random() < 0.3:
                writes = (1,)
        end = "silence" if silent else self._random.choice(("close",) * 8 + ("reset", "leave"))
        return Script(stream, writes, end)

    def _beginning(self) -> bytes:
        roll = self._random.random()
        if roll < 0.75:
            return self._request()
        if roll < 0.85:
            return self._odd_request()
        return self._act()

    def _request(self, title: str = "KINOTE", **changes: int | str) -> bytes:
        contexts = (ProposedContext(1, VERIFICATION, (EXPLICIT,)), ProposedContext(3, CT, (EXPLICIT,)))
        request = AssociateRequest(title, "HOSTILE", contexts)
        for name, value in changes.items():
            object.__setattr__(request, name, value)
        return encode(request)

    def _odd_request(self) -> bytes:
        good = self._request()
        match self._random.randrange(8):
            case 0:
                return self._request("SOMEBODY")
            case 1:
                return self._request(protocol_version=2)
            case 2:
                return self._request(application_context="1.2.3")
            case 3:
                # Without an end: more contexts than there are identifiers.
                number = self._random.choice((129, 500, 2000))
                many = tuple(ProposedContext(2 * n + 1 & 0xFF, CT, (EXPLICIT,)) for n in range(number))
                return encode(AssociateRequest("KINOTE", "HOSTILE", many))
            case 4:
                twice = tuple(ProposedContext(n, CT, (EXPLICIT,)) for n in (1, 1, 2, 4, 3, 3, 0))
                return encode(AssociateRequest("KINOTE", "HOSTILE", twice))
            case 5:
                return good[:5] + bytes([good[5] - 1]) + good[6:-1]
            case 6:
                return self._damaged(good)
            case _:
                return encode(AssociateRequest("KINOTE", "HOSTILE", (ProposedContext(1, CT, ()),)))

    def _act(self) -> bytes:
        kinds = (
            *(self._echo,) * 4, *(self._store,) * 4, self._odd_message, self._odd_message, self._odd_message,
            self._other_pdu, self._other_pdu, self._noise, self._release, self._abort,
        )  # fmt: skip
        return self._random.choice(kinds)()

    def _release(self) -> bytes:
        return encode(ReleaseRequest())

    def _abort(self) -> bytes:
        return encode(Abort(self._random.choice((0, 2)), self._random.randrange(7)))

    def _other_pdu(self) -> bytes:
        """Where it has no place, mostly."""
        return self._random.choice(
            (
                encode(ReleaseReply()),
                encode(AssociateReject(1, 1, 1)),
                encode(AssociateAccept("KINOTE", "HOSTILE", (ContextResult(1, 0, EXPLICIT),))),
                self._request(),
                encode(ReleaseRequest()) * 2,
                encode(ReleaseRequest())[:-1],
                b"\5\0\0\0\0\5" + bytes(5),
            )
        )

    def _noise(self) -> bytes:
        return self._random.choice(
            (
                self._random.randbytes(self._random.randrange(1, 100)),
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                bytes([self._random.randrange(8, 256)]) + b"\0\0\0\0\4" + bytes(4),
                b"\4\0\xff\xff\xff\xff",
                b"\4\0\0\0\0\0",
                b"\4\0\0\0\0\3\0\0\0",
                b"\4\0\0\0\0\7\0\0\0\1\1\3a",
                b"\4\0\0\0\0\6\0\0\0\7\1\3",
            )
        )

    def _echo(self) -> bytes:
        command = CEchoRequest(message_id=self._random.randrange(65536), affected_sop_class_uid=VERIFICATION)
        return self._message(1, encode_command(command), None)

    def _store(self) -> bytes:
        command = CStoreRequest(
            message_id=self._random.randrange(65536),
            affected_sop_class_uid=CT,
            affected_sop_instance_uid=self._random.choice((self._uid,) * 3 + ("no UID", "1.2\xe9")),
            has_data_set=True,
        )
        data_set = self._random.choice(
            (self._data_set,) * 3 + (b"", b"\0", self._data_set[:-9], bytes(70_000))
        )
        return self._message(3, encode_command(command), data_set)

    def _odd_message(self) -> bytes:
        store = encode_command(
            CStoreRequest(
                message_id=1,
                affected_sop_class_uid=CT,
                affected_sop_instance_uid=self._uid,
                has_data_set=True,
            )
        )
        echo = encode_command(
            CEchoRequest(message_id=2, affected_sop_class_uid=VERIFICATION, has_data_set=True)
        )
        number = self._random.randrange(65536)
        match self._random.randrange(12):
            case 0:
                return self._values(5, (store, True, True))
            case 1:
                return self._values(1, (self._data_set, False, True))
            case 2:
                return self._values(3, (store, True, True))
            case 3:
                return self._values(3, (store, True, True), (store, True, True))
            case 4:
                return self._values(3, (store, True, True)) + self._values(1, (b"ab", False, True))
            case 5:
                return self._values(3, (store[: self._random.randrange(len(store))], True, True))
            case 6:
                return self._values(3, (store[:40], True, False))
            case 7:
                return self._values(1, (bytes(16_400), True, False))
            case 8:
                return self._values(1, (echo, True, True), (b"x", False, self._random.random() < 0.5))
            case 9:
                n_get = encode_command(UnrecognizedRequest(command_field=0x0110, message_id=number))
                return self._message(1, n_get, None)
            case 10:
                cancel = encode_command(CCancelRequest(message_id_being_responded_to=number))
                return self._message(1, cancel, None)
            case _:
                wrong = encode_command(CStoreResponse(message_id_being_responded_to=number, status=0))
                return self._message(3, self._random.choice((wrong, self._damaged(store))), None)

    def _message(self, context: int, command: bytes, data_set: bytes | None) -> bytes:
        """As it should be, in fragments of some size."""
        size = self._random.choice((100_000, 16_000, 1000, 50, 7))
        if len(command) < 200 and len(data_set or b"") < 2000 and self._random.random() < 0.1:
            size = 1
        size = max(size, len(data_set or b"") // 1000)
        values = self._fragments(command, True, size)
        values += self._fragments(data_set, False, size) if data_set is not None else []
        if self._random.random() < 0.3:
            return self._values(context, *values)
        return b"".join(self._values(context, value) for value in values)

    def _fragments(self, data: bytes, is_command: bool, size: int) -> list[tuple[bytes, bool, bool]]:
        starts = range(0, max(len(data), 1), size)
        return [(data[at : at + size], is_command, at + size >= len(data)) for at in starts]

    def _values(self, context: int, *values: tuple[bytes, bool, bool]) -> bytes:
        return encode(
            DataTransfer(
                tuple(PresentationData(context, command, last, data) for data, command, last in values)
            )
        )

    def _damaged(self, data: bytes) -> bytes:
        damaged = bytearray(data)
        for _ in range(self._random.randint(1, 3)):
            if damaged:
                damaged[self._random.randrange(len(damaged))] = self._random.randrange(256)
        return bytes(damaged)
