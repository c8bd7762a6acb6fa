"""PDUs over sockets: in pieces of any size, cut, endless, silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinote.dimse.errors import AbortReason, ConnectionLostError, PduError, SilenceError
from kinote.dimse.protocol.pdu import (
    ABORT,
    P_DATA_TF,
    RELEASE_RQ,
    Abort,
    DataTransfer,
    PresentationData,
    ReleaseRequest,
    encode,
)
from kinote.dimse.transport.connection import LARGEST_ASSOCIATE, Connection

PATIENCE = 60.0


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Connection]]:
    """A peer's bare socket, and our end."""
    peer, ours = connected()
    with peer:
        connection = Connection(ours, largest_data=16 * 1024)
        yield peer, connection
        connection.close()


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        return peer, server.accept()[0]


def data_pdu(size: int, filling: int) -> bytes:
    return encode(DataTransfer((PresentationData(1, False, True, bytes([filling]) * size),)))


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 300_000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(500, 200_000), min_size=1, max_size=8),
)
def test_pdus_come_whole_in_whatever_pieces_they_are_sent(sizes: list[int], cuts: list[int]) -> None:
    peer, ours = connected()
    stream = b"".join(data_pdu(size, number) for number, size in enumerate(sizes))

    def send() -> None:
        at = 0
        while at < len(stream):
            for cut in cuts:
                peer.sendall(stream[at : at + cut])
                at += cut

    sender = threading.Thread(target=send)
    sender.start()
    connection = Connection(ours, largest_data=128 * 1024)
    for number, size in enumerate(sizes):
        kind, data = connection.receive(PATIENCE)
        assert (kind, len(data)) == (P_DATA_TF, size + 6)
        assert bytes(data[6:]) == bytes([number]) * size
    sender.join()
    peer.close()
    assert connection.received == len(stream)
    with pytest.raises(ConnectionLostError, match="has closed"):
        connection.receive(PATIENCE)
    connection.close()


def test_bytes_one_by_one(ends: tuple[socket.socket, Connection]) -> None:
    peer, connection = ends
    sent = encode(ReleaseRequest()) + encode(Abort(2, 6))
    for byte in sent:
        peer.sendall(bytes([byte]))
    for expected in ((RELEASE_RQ, bytes(4)), (ABORT, b"\0\0\2\6")):
        kind, data = connection.receive(PATIENCE)
        assert (kind, bytes(data)) == expected


@pytest.mark.parametrize(
    ("head", "what", "reason"),
    [
        (b"\x08\0\0\0\0\4", "type 08H is unknown", AbortReason.UNRECOGNIZED_PDU),
        (b"GET / ", "type 47H is unknown", AbortReason.UNRECOGNIZED_PDU),
        (b"\x04\0\xff\xff\xff\xff", "at most 1048576 are allowed", AbortReason.INVALID_PARAMETER_VALUE),
        (
            b"\x01\0" + (LARGEST_ASSOCIATE + 1).to_bytes(4, "big"),
            "at most",
            AbortReason.INVALID_PARAMETER_VALUE,
        ),
        (b"\x05\0\0\1\0\0", "65536 bytes", AbortReason.INVALID_PARAMETER_VALUE),
    ],
)
def test_a_head_that_is_none_is_refused_before_anything_is_read_for_it(
    ends: tuple[socket.socket, Connection], head: bytes, what: str, reason: AbortReason
) -> None:
    peer, connection = ends
    peer.sendall(head)
    with pytest.raises(PduError, match=what) as caught:
        connection.receive(PATIENCE)
    assert caught.value.reason is reason


@pytest.mark.parametrize("sent", [b"", b"\x05\0\0", b"\x05\0\0\0\0\4\0"])
def test_silence_ends(ends: tuple[socket.socket, Connection], sent: bytes) -> None:
    peer, connection = ends
    peer.sendall(sent)
    with pytest.raises(SilenceError):
        connection.receive(0.05)
    # What comes late is understood nevertheless.
    peer.sendall(encode(ReleaseRequest())[len(sent) :])
    assert connection.receive(None)[0] == RELEASE_RQ


@pytest.mark.parametrize("how", ["receive", "drain"])
def test_dripping_is_silence_in_the_end(ends: tuple[socket.socket, Connection], how: str) -> None:
    """The time for a PDU does not begin again with each of its bytes."""
    peer, connection = ends
    is_over = threading.Event()

    def drip() -> None:
        peer.sendall(b"\x04\0\0\x0f\xff\xff")
        for _ in range(500_000):
            if is_over.is_set():
                break
            peer.sendall(b"\0")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(SilenceError):
            getattr(connection, how)(0.1)
        assert dripping.is_alive()
    finally:
        is_over.set()
        dripping.join(PATIENCE)


@pytest.mark.parametrize("sent", [b"\x05\0", b"\x04\0\0\0\1\0" + bytes(100)])
def test_a_connection_that_ends_within_a_pdu(ends: tuple[socket.socket, Connection], sent: bytes) -> None:
    peer, connection = ends
    peer.sendall(sent)
    peer.close()
    with pytest.raises(ConnectionLostError):
        connection.receive(PATIENCE)


def test_pieces_go_out_as_one(ends: tuple[socket.socket, Connection]) -> None:
    peer, connection = ends
    large = bytes(range(256)) * 20_000
    received = bytearray()

    def read() -> None:
        while len(received) < len(large) + 4:
            received.extend(peer.recv(1 << 20))

    reader = threading.Thread(target=read)
    reader.start()
    connection.send(b"head", memoryview(large))
    reader.join(PATIENCE)
    assert received == b"head" + large
    assert connection.sent == len(large) + 4


def test_sending_to_nobody(ends: tuple[socket.socket, Connection]) -> None:
    peer, connection = ends
    peer.close()
    with pytest.raises(ConnectionLostError, match="Sending failed"):
        for _ in range(100):
            connection.send(bytes(100_000))


def test_whether_there_is_more_is_seen_without_waiting(ends: tuple[socket.socket, Connection]) -> None:
    peer, connection = ends
    assert not connection.has_more()
    peer.sendall(encode(ReleaseRequest()) * 2)
    connection.receive(PATIENCE)
    # The second lies in the buffer already, or still in the socket.
    while not connection.has_more():
        pass
    connection.receive(PATIENCE)
    assert not connection.has_more()
    peer.close()
    while not connection.has_more():
        pass
    with pytest.raises(ConnectionLostError):
        connection.receive(PATIENCE)


def test_waiting_ends_with_time_with_what_comes_and_with_the_connection(
    ends: tuple[socket.socket, Connection],
) -> None:
    peer, connection = ends
    assert not connection.wait(0)
    assert not connection.wait(0.01)
    peer.sendall(b"\5")
    assert connection.wait(60)
    peer.sendall(encode(ReleaseRequest())[1:])
    assert connection.receive(20)[0] == RELEASE_RQ
    stopping = threading.Thread(target=connection.stop_reading)
    stopping.start()
    assert connection.wait(60)
    stopping.join()


def test_a_receive_is_ended_by_another_thread_and_sending_goes_on(
    ends: tuple[socket.socket, Connection],
) -> None:
    peer, connection = ends
    caught: list[BaseException] = []

    def receive() -> None:
        try:
            connection.receive(None)
        except ConnectionLostError as error:
            caught.append(error)

    receiver = threading.Thread(target=receive)
    receiver.start()
    connection.stop_reading()
    receiver.join(PATIENCE)
    assert len(caught) == 1
    connection.send(encode(ReleaseRequest()))
    assert peer.recv(100) == encode(ReleaseRequest())
    connection.close()
    connection.stop_reading()
