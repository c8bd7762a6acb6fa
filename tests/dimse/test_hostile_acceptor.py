"""An acceptor that does what it should not: our requestor says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading

import pytest

from kinote.dimse import invoking
from kinote.dimse.command_sets.coding import encode_command
from kinote.dimse.commands import CEchoRequest, CEchoResponse, CFindResponse
from kinote.dimse.entity import ApplicationEntity
from kinote.dimse.errors import (
    AbortedError,
    BrokenError,
    DimseError,
    NotAcceptedError,
    RejectedError,
    ReleasedError,
)
from kinote.dimse.invoking import VERIFICATION
from kinote.dimse.protocol.pdu import (
    Abort,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    ReleaseReply,
    ReleaseRequest,
    encode,
)
from kinote.dimse.protocol.user_information import UserInformation
from kinote.dimse.transport.endpoint import Patience
from tests.dimse.bare import data, exactly
from tests.dimse.ends import IMPLICIT, bare_peer, calling, descriptors, eventually, nothing_left
from tests.scale import SCALE

ACCEPT = encode(AssociateAccept("PEER", "SENDER", (ContextResult(1, 0, IMPLICIT),)))
ANSWER = encode_command(CEchoResponse(message_id_being_responded_to=1, status=0))
REFUSAL = encode_command(
    CEchoResponse(
        message_id_being_responded_to=1, status=0x0122, error_comment="Not offered on this association"
    )
)
ECHOED = data(1, (ANSWER, True, True))
NOISE = b"HTTP/1.1 400 Bad Request\r\n\r\n"

#: For peers that end what they say: whatever is due then is there at once.
CALM = Patience(artim=60, idle=60, within=60)


def accept(*contexts: ContextResult, maximum_length: int = 0) -> bytes:
    return encode(AssociateAccept("PEER", "SENDER", contexts, UserInformation(maximum_length)))


#: What the peer says to the request, then to C-ECHO; what we say of it; and our last PDU.
CASES: dict[str, tuple[bytes, bytes, type[DimseError], str, bytes]] = {
    "rejects": (encode(AssociateReject(2, 3, 2)), b"", RejectedError, "a local limit", b""),
    "rejects strangely": (encode(AssociateReject(9, 9, 9)), b"", RejectedError, "source 9", b""),
    "speaks HTTP": (NOISE, b"", BrokenError, "type 48H is unknown", encode(Abort(2, 1))),
    "requests": (
        encode(AssociateRequest("A", "B", ())), b"", BrokenError, "unexpected AssociateRequest", encode(Abort(2, 2)),
    ),
    "aborts at once": (encode(Abort(2, 1)), b"", AbortedError, "upper layer, reason 1", b""),
    "releases at once": (encode(ReleaseRequest()), b"", BrokenError, "unexpected", encode(Abort(2, 2))),
    "sends data at once": (ECHOED, b"", BrokenError, "unexpected DataTransfer", encode(Abort(2, 2))),
    "is cut": (ACCEPT[:50], b"", BrokenError, "has closed", b""),
    "closes": (b"", b"", BrokenError, "has closed", b""),
    "accepts nothing": (accept(), b"", NotAcceptedError, "does not accept", encode(ReleaseRequest())),
    "accepts what nobody proposed": (
        accept(ContextResult(99, 0, IMPLICIT)), b"", NotAcceptedError, "does not accept", encode(ReleaseRequest()),
    ),
    "accepts in another syntax": (
        accept(ContextResult(1, 0, "1.2.3")), b"", NotAcceptedError, "does not accept", encode(ReleaseRequest()),
    ),
    "accepts twice": (ACCEPT + ACCEPT, b"", BrokenError, "unexpected AssociateAccept", encode(Abort(2, 2))),
    "closes in place of an answer": (ACCEPT, b"", BrokenError, "has closed", b""),
    "aborts in place of an answer": (ACCEPT, encode(Abort(0)), AbortedError, "its application", b""),
    "releases in place of an answer": (
        ACCEPT, encode(ReleaseRequest()), ReleasedError, "released", encode(ReleaseReply()),
    ),
    "answers in an unknown context": (
        ACCEPT, data(9, (ANSWER, True, True)), BrokenError, "context 9", encode(Abort(2, 6)),
    ),
    "answers with data": (ACCEPT, data(1, (b"x", False, True)), BrokenError, "was expected", encode(Abort(2, 5))),
    "answers with a request": (
        ACCEPT,
        data(1, (encode_command(CEchoRequest(message_id=1, affected_sop_class_uid=VERIFICATION)), True, True)),
        BrokenError, "has closed", data(1, (REFUSAL, True, True)),
    ),
    "answers something else": (
        ACCEPT,
        data(1, (encode_command(CFindResponse(message_id_being_responded_to=1, status=0)), True, True)),
        BrokenError, "was expected", encode(Abort(2, 6)),
    ),
    "does not answer the release": (ACCEPT, ECHOED, BrokenError, "has closed", encode(ReleaseRequest())),
    "replies with noise": (ACCEPT, ECHOED + NOISE, BrokenError, "unknown", encode(Abort(2, 1))),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_acceptor_that(case: str) -> None:
    first, second, error, said, last = CASES[case]
    heard: list[bytes] = []

    def serve(sock: socket.socket) -> None:
        heard.append(pdu(sock))
        sock.sendall(first)
        if second:
            heard.append(pdu(sock))
            sock.sendall(second)
        sock.shutdown(socket.SHUT_WR)
        while more := pdu(sock):
            heard.append(more)

    with (
        bare_peer(serve) as peer,
        pytest.raises(error, match=said),
        calling(peer, patience=CALM) as association,
    ):
        assert invoking.echo(association).status == 0
    if last:
        assert heard[-1] == last
    else:
        assert heard[-1][0] in (1, 4)


def test_an_acceptor_that_takes_short_pdus_only() -> None:
    """The command comes in fragments."""
    command = bytearray()

    def serve(sock: socket.socket) -> None:
        pdu(sock)
        sock.sendall(accept(ContextResult(1, 0, IMPLICIT), maximum_length=6))
        while not command.endswith(b"\0\0\0\x08\2\0\0\0\1\1"):
            command.extend(pdu(sock)[12:])
        sock.sendall(ECHOED)
        assert pdu(sock) == encode(ReleaseRequest())
        sock.sendall(encode(ReleaseReply()))

    with bare_peer(serve) as peer, calling(peer, patience=CALM) as association:
        assert invoking.echo(association).status == 0


@pytest.mark.parametrize("sent", [b"", ACCEPT[:20], ACCEPT, ACCEPT + ECHOED[:9], ACCEPT + ECHOED])
def test_an_acceptor_that_falls_silent(sent: bytes) -> None:
    over = threading.Event()

    def serve(sock: socket.socket) -> None:
        sock.sendall(sent)
        over.wait(60)

    with bare_peer(serve) as peer:
        try:
            with (
                pytest.raises(BrokenError, match=r"silent|does not answer"),
                calling(peer, patience=Patience(artim=0.3, idle=0.3, within=0.3)) as association,
            ):
                invoking.echo(association)
        finally:
            over.set()


@pytest.mark.soak
def test_random_acceptors() -> None:
    """Nothing but a `DimseError`, and nothing is left of it."""
    chance = random.Random(20262)
    parts = (
        ACCEPT, ACCEPT, ACCEPT, ECHOED, ECHOED, ECHOED, NOISE, encode(ReleaseReply()), encode(ReleaseRequest()),
        encode(Abort(0)), encode(AssociateReject(1, 1, 1)), data(1, (ANSWER[:30], True, False)),
        data(1, (ANSWER[30:], True, True)), data(1, (b"x", False, True)), ECHOED[:-3],
    )  # fmt: skip
    went_well = 0
    with nothing_left(), socket.create_server(("127.0.0.1", 0)) as server:
        peer = ApplicationEntity("PEER", *server.getsockname())
        files = descriptors()
        for _ in range(SCALE.hostile_scripts // 2):
            stream = bytearray(b"".join(chance.choice(parts) for _ in range(chance.randint(0, 5))))
            if chance.random() < 0.3:
                stream = bytearray(ACCEPT + ECHOED + encode(ReleaseReply()))
            if stream and chance.random() < 0.3:
                stream[chance.randrange(len(stream))] = chance.randrange(256)
            thread = threading.Thread(target=play, args=(server, bytes(stream), chance.random() < 0.2))
            thread.start()
            with contextlib.suppress(DimseError), calling(peer, patience=CALM) as association:
                went_well += invoking.echo(association).status == 0
            thread.join(60)
            assert not thread.is_alive()
        eventually(lambda: descriptors() <= files, "descriptors are left")
    assert went_well > SCALE.hostile_scripts // 20


def play(server: socket.socket, stream: bytes, is_reset: bool) -> None:
    """Say everything at once, then end, by a reset or in order."""
    sock = server.accept()[0]
    with sock, contextlib.suppress(ConnectionError):
        sock.settimeout(60)
        sock.sendall(stream)
        if is_reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def pdu(sock: socket.socket) -> bytes:
    """The next PDU, empty at the end, however that comes."""
    sock.settimeout(60)
    with contextlib.suppress(ConnectionError):
        head = exactly(sock, 6)
        return head + exactly(sock, int.from_bytes(head[2:6], "big")) if head else b""
    return b""
