"""Every way in which an association ends."""

from __future__ import annotations

import re
import socket

import pytest

from kinote.dimse import invoking
from kinote.dimse.associations.association import Association, Message
from kinote.dimse.commands import CEchoRequest
from kinote.dimse.errors import AbortedError, AssociationError, BrokenError, ReleasedError
from kinote.dimse.protocol.pdu import Abort, ReleaseReply, ReleaseRequest, encode
from kinote.dimse.transport.endpoint import Patience
from tests.dimse.bare import ECHO, STORE, Bare, data, exactly
from tests.dimse.ends import CT, HASTY, accepted, accepting, answer, bare_peer, calling, eventually, keeping


def test_a_release_while_the_peer_still_sends() -> None:
    """What comes after our request is passed over, to the reply (PS3.8 7.2.1)."""

    def chatter(sock: socket.socket) -> None:
        association = accepted(sock)
        for _ in range(50):
            association.send(association.contexts[1], CEchoRequest(message_id=1, affected_sop_class_uid="1"))
        assert association.receive() is None

    with bare_peer(chatter) as peer, calling(peer):
        pass


@pytest.mark.parametrize("who", ["requestor", "acceptor"])
def test_either_end_may_release(who: str) -> None:
    ended: list[str] = []

    def serve(sock: socket.socket) -> None:
        association = accepted(sock)
        if who == "requestor":
            assert association.receive() is None
        else:
            association.release()
        ended.append("released")

    with bare_peer(serve) as peer, calling(peer) as association:
        if who == "acceptor":
            assert association.receive() is None
    assert ended == ["released"]


def test_both_release_at_once_and_the_requestor_is_ours() -> None:
    """A collision (PS3.8 7.2.2.2): the peer's request has come when ours goes out."""
    seen: list[int] = []

    def serve(sock: socket.socket) -> None:
        association = accepted(sock)
        association.context_for(CT)
        sock.sendall(encode(ReleaseRequest()))
        # Our request, then the reply to the peer's; only then does it reply to ours.
        seen.extend((exactly(sock, 10)[0], exactly(sock, 10)[0]))
        sock.sendall(encode(ReleaseReply()))
        assert sock.recv(1) == b""

    with bare_peer(serve) as peer, calling(peer) as association:
        eventually(association.something_waits, "no request has come")
    assert seen == [5, 6]


def test_both_release_at_once_and_the_acceptor_is_ours() -> None:
    """The requestor's reply comes first, then ours (PS3.8 7.2.2.2)."""

    def release(association: Association, message: Message) -> None:
        answer(association, message)
        eventually(association.something_waits, "no request has come")
        association.release()

    with accepting(release) as (peer, serving):
        with Bare(peer) as bare:
            bare.send(data(1, (ECHO, True, True)))
            assert bare.receive()[0] == 4
            bare.send(encode(ReleaseRequest()))
            assert bare.receive() == encode(ReleaseRequest())
            bare.send(encode(ReleaseReply()))
            assert bare.receive() == encode(ReleaseReply())
        eventually(lambda: bool(serving.ended), "the association goes on")
    assert serving.ended == ["The association has ended"]


def test_what_has_ended_has_ended() -> None:
    """Then nothing more can be sent or received, and there is nothing to be released or aborted."""
    with accepting() as (peer, serving), calling(peer) as association:
        association.release()
        with pytest.raises(AssociationError, match="has ended"):
            invoking.echo(association)
        with pytest.raises(AssociationError, match="has ended"):
            association.receive()
        association.abort()
    assert serving.ended == ["released"]


def test_a_peer_that_talks_on_and_never_replies_to_a_release() -> None:
    def chatter(sock: socket.socket) -> None:
        accepted(sock)
        while True:
            sock.sendall(data(1, (ECHO, True, True)))

    with (
        bare_peer(chatter) as peer,
        pytest.raises(AssociationError, match=r"given up.*release"),
        calling(peer, patience=Patience(artim=0.3, idle=20, within=20)),
    ):
        pass


@pytest.mark.parametrize("junk", [b"\x04\0\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n"], ids=["length", "noise"])
def test_a_peer_that_floods_with_noise_is_let_go(junk: bytes) -> None:
    """After the abort whatever comes is let pass, but not for ever (ARTIM)."""

    def flood(sock: socket.socket) -> None:
        accepted(sock)
        while True:
            sock.sendall(junk * 1_000_000)

    with (
        bare_peer(flood) as peer,
        pytest.raises(BrokenError),
        calling(peer, patience=Patience(artim=0.3, idle=20, within=20)) as association,
    ):
        association.receive()


#: Where a peer may leave: after the association stands, within a PDU, a command, a data set, an answer due.
MOMENTS = {
    "at once": b"",
    "within a head": b"\x04\0\0",
    "within a PDU": data(3, (STORE, True, True))[:40],
    "within a command": data(3, (STORE[:50], True, False)),
    "before the data set": data(3, (STORE, True, True)),
    "within a data set": data(3, (STORE, True, True), (bytes(1000), False, False)),
    "before the answer": data(3, (STORE, True, True), (bytes(1000), False, True)),
}

#: What may come of an answer that is still on its way then.
GONE = r"has closed|broke|has aborted|Sending failed|has ended"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", ["abort", "close", "reset"])
def test_a_peer_that_leaves(moment: str, how: str) -> None:
    with accepting(keeping([])) as (peer, serving):
        with Bare(peer) as bare:
            bare.send(MOMENTS[moment])
            if how == "abort" and moment not in ("within a head", "within a PDU"):
                bare.send(encode(Abort(0)))
            elif how == "reset":
                bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        eventually(lambda: bool(serving.ended), "the association goes on")
        (ended,) = serving.ended
        assert re.search(GONE, ended)
        with calling(peer) as association:
            assert invoking.echo(association).status == 0
    assert serving.failures == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_peer_that_falls_silent_is_aborted(moment: str) -> None:
    with accepting(keeping([]), patience=HASTY) as (peer, serving), Bare(peer) as bare:
        bare.send(MOMENTS[moment])
        if moment == "before the answer":
            assert bare.receive()[0] == 4
        assert bare.receive() == encode(Abort(0))
        assert bare.receive() == b""
        eventually(lambda: bool(serving.ended), "the association goes on")
        assert "silent for 0.1 seconds" in serving.ended[0]


def test_a_peer_that_reads_nothing_is_given_up() -> None:
    """Nothing more can be said to it: the connection is closed."""

    def pour(association: Association, message: Message) -> None:
        while True:
            association.send(
                message.context, CEchoRequest(message_id=1, affected_sop_class_uid="1"), bytes(1_000_000)
            )

    with accepting(pour, patience=HASTY) as (peer, serving), Bare(peer) as bare:
        bare.send(data(1, (ECHO, True, True)))
        eventually(lambda: bool(serving.ended), "the association goes on")
        assert serving.ended == ["The association was given up: The peer does not read what is sent to it"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (data(5, (ECHO, True, True)), 6),
        (data(1, (bytes(4), False, True)), 5),
        (data(1, (ECHO[:20], True, False), (ECHO[20:], False, True)), 5),
        (data(1, (ECHO[:20], True, False)) + data(3, (ECHO[20:], True, True)), 5),
        (data(3, (STORE, True, True), (STORE, True, True)), 5),
        (data(3, (STORE, True, True)) + data(1, (bytes(4), False, True)), 5),
        (data(1, (ECHO[:-1], True, True)), 6),
        (data(1, (bytes(16_385), True, False)), 6),
        (data(1, *[(b"", True, False)] * 1000) * 20, 6),
        (b"\x04\0\0\0\0\0", 6),
        (b"\x08\0\0\0\0\0", 1),
        (encode(ReleaseReply()), 2),
        (b"\x01\0\0\0\0\4" + bytes(4), 6),
    ],
    ids=[
        "a context that was not accepted",
        "data without a command",
        "data within a command",
        "a command in two contexts",
        "a command in place of data",
        "data in another context",
        "a command that is cut",
        "an endless command",
        "a command of empty fragments without an end",
        "no fragment",
        "no such PDU",
        "a reply to nothing",
        "a broken request",
    ],
)
def test_what_has_no_place_is_answered_with_an_abort(sent: bytes, reason: int) -> None:
    with accepting(keeping([])) as (peer, serving):
        with Bare(peer) as bare:
            bare.send(sent)
            assert bare.receive() == encode(Abort(2, reason))
        eventually(lambda: bool(serving.ended), "the association goes on")


def test_release_within_a_message_is_agreed_to_and_ends_it() -> None:
    with accepting(keeping([])) as (peer, serving):
        with Bare(peer) as bare:
            bare.send(data(3, (STORE, True, True), (b"half", False, False)) + encode(ReleaseRequest()))
            assert bare.receive() == encode(ReleaseReply())
        eventually(lambda: serving.ended == ["The peer has released the association"], "it goes on")


def test_release_while_an_answer_is_due() -> None:
    def leave(sock: socket.socket) -> None:
        association = accepted(sock)
        assert association.receive() is not None
        association.release()

    with bare_peer(leave) as peer, pytest.raises(ReleasedError), calling(peer) as association:
        invoking.echo(association)


def test_an_abort_says_who() -> None:
    def abort(sock: socket.socket) -> None:
        accepted(sock).abort()

    with (
        bare_peer(abort) as peer,
        pytest.raises(AbortedError, match="its application"),
        calling(peer) as association,
    ):
        association.receive()
