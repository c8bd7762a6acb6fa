"""The same limits where the server has TLS itself, and those of the handshake."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from kinote.dimse.transport.tls import TlsOptions
from tests.dimse.certificates import Authority
from tests.dimse.ends import eventually
from tests.web.connections.raw import GET, POST, Client, Server, serving


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    own = Authority(tmp_path_factory.mktemp("tls")).issue("server")
    return TlsOptions(own.certificate, own.key).server_context()


@pytest.fixture
def server(context: ssl.SSLContext) -> Iterator[Server]:
    with serving(context) as server:
        yield server


def is_closed(client: Client) -> bool:
    with suppress(ssl.SSLEOFError):
        return client.is_closed()
    return True


def test_requests_are_answered(server: Server) -> None:
    with server.connect() as client:
        client.send(GET * 3)
        assert [client.answer().body for _ in range(3)] == [b"hello"] * 3
        client.send(POST + b"x" * 1_000_000)
        assert client.answer().body == b"1000000"


def test_a_slow_head_is_told_so_and_the_watch_goes_on(server: Server) -> None:
    with server.connect() as slow, server.connect() as another:
        slow.send(GET[:-2])
        another.send(GET[:-2])
        eventually(lambda: sum(each.in_head for each in server.connections) == 2, "nothing has come")
        server.pass_by(21)
        for client in (slow, another):
            assert client.answer().problem == "too-slow"
            assert is_closed(client)
    assert server.ask() == 200


def test_a_stalled_body_is_told_so(server: Server) -> None:
    with server.connect() as client:
        client.send(POST + b"x" * 1000)
        eventually(lambda: server.body_size == 1000, "it has not come")
        server.pass_by(1)
        server.pass_by(31)
        assert client.answer().problem == "too-slow"
        assert server.seen == ["broken off"]


def test_what_is_no_request_is_told_so(server: Server) -> None:
    with server.connect() as client:
        client.send(b"HELLO\r\n\r\n")
        assert client.answer().problem == "bad-request"
        assert is_closed(client)


def test_a_client_that_does_not_read_its_answer_is_cut_off(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: server.has_unsent, "it is all sent")
        server.pass_by(1)
        server.pass_by(121)
        eventually(lambda: not server.connections, "it is still served")


def test_a_handshake_that_does_not_come_to_an_end_has_a_deadline(server: Server) -> None:
    with closing(server.connect_without_tls()) as silent, closing(server.connect_without_tls()) as begun:
        begun.send(b"\x16\x03\x01\x02\x00")
        eventually(lambda: len(server.run.doorkeeper.connections) == 2, "they are not counted")
        server.pass_by(9)
        assert len(server.run.doorkeeper.connections) == 2
        server.pass_by(2)
        eventually(lambda: not server.run.doorkeeper.connections, "they are still there")
        for sock in (silent, begun):
            with suppress(ConnectionResetError):
                assert sock.recv(1) == b""


def test_connections_without_handshake_are_bounded_and_give_way(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(closing(server.connect_without_tls()))
        assert server.ask() == 200
        assert len(server.run.doorkeeper.connections) <= 8


def test_what_is_no_tls_is_closed(server: Server) -> None:
    with closing(server.connect_without_tls()) as client:
        client.sendall(GET)
        with suppress(ConnectionResetError):
            while client.recv(1000):
                pass
    eventually(lambda: not server.run.doorkeeper.connections, "it is still there")
    assert server.ask() == 200


def test_connections_beyond_the_limit_are_closed_before_their_handshake(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(server.connect()).send(POST)
        eventually(lambda: sum(bool(each.cycle) for each in server.connections) == 8, "not all are open")
        with pytest.raises(OSError):
            server.connect()
    eventually(lambda: not server.connections, "some are left")
    assert server.ask() == 200
