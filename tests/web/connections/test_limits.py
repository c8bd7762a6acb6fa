"""What one client can make grow or wait, and what it is told when that is too much.

The clock of these servers stands still unless the test lets time pass.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.dimse.ends import eventually
from tests.web.connections.raw import CHUNKED, GET, MUCH, POST, Client, Server, serving

_KB = 1024


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


#: Addresses that proxies are asked for, and we are not.
WITHOUT_PATH = [
    b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


# --- how much ---------------------------------------------------------------------------------------

#: What does not end, and is more than a head may be: the beginning, and what is repeated.
ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "address": (b"GET /", b"a" * _KB),
    "header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", b"a" * _KB),
    "name of a header": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"a" * _KB),
    "headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n"),
    "empty lines": (b"", b"\r\n"),
    "extension of a chunk": (CHUNKED + b"1;", b"a" * _KB),
    "trailer": (CHUNKED + b"0\r\nX-A: ", b"a" * _KB),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: b\r\n"),
    "extensions of many chunks": (CHUNKED, b"1;" + b"a" * 200 + b"\r\nx\r\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_endless(what: str, server: Server) -> None:
    first, more = ENDLESS[what]
    with server.connect() as client:
        client.send(first)
        # Far more than a head may be, and no more than a client can send before it hears of that.
        with suppress(ConnectionError):
            client.send(more * (4 * 1024 * _KB // len(more)))
        answer = client.answer()
        assert (answer.status, answer.problem) == (431, "head-too-large")
        assert client.is_closed()
    assert server.ask() == 200


def test_a_large_head_that_comes_at_once_is_too_large_too(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 70 * _KB + b"\r\n\r\n")
        assert client.answer().problem == "head-too-large"


def test_a_head_just_within_the_limit_is_taken(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 60 * _KB + b"\r\n\r\n")
        assert client.answer().status == 200


def test_very_short_chunks_are_taken(server: Server) -> None:
    """Five bytes around each byte."""
    with server.connect() as client:
        client.send(CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n")
        assert client.answer().body == b"100000"


def test_trailers_are_no_headers(server: Server) -> None:
    with server.connect() as client:
        client.send(CHUNKED + b"1\r\na\r\n0\r\nHost: evil.example\r\n\r\n" + GET)
        assert [client.answer().status, client.answer().status] == [200, 200]


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"\0" * 20,
        *WITHOUT_PATH,
    ],
)
def test_what_is_no_request_is_told_so(said: bytes, server: Server) -> None:
    with server.connect() as client:
        client.send(said)
        assert client.answer().problem == "bad-request"
        assert client.is_closed()


def test_a_few_requests_may_be_sent_without_waiting(server: Server) -> None:
    with server.connect() as client:
        client.send(GET * 4)
        assert [client.answer().status for _ in range(4)] == [200] * 4
        client.send(GET)
        assert client.answer().status == 200


def test_more_are_answered_up_to_the_limit_and_then_refused(server: Server) -> None:
    with server.connect() as client:
        with suppress(ConnectionError):
            client.send(GET * 100_000)
        answers = [client.answer() for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 4 + [429]
        assert answers[-1].problem == "too-many-requests"
        assert client.is_closed()
    assert server.ask() == 200


@pytest.mark.parametrize("wrong", [b"NO REQUEST\r\n\r\n", *WITHOUT_PATH])
def test_what_is_wrong_is_said_after_the_answers_that_are_due(wrong: bytes, server: Server) -> None:
    with server.connect() as client:
        client.send(GET * 2 + wrong)
        assert [client.answer().status for _ in range(3)] == [200, 200, 400]
        assert client.is_closed()


# --- how many ---------------------------------------------------------------------------------------


def busy(server: Server, stack: ExitStack) -> Client:
    """A connection with a request that does not come to its end."""
    client = stack.enter_context(server.connect())
    client.send(POST)
    return client


def test_connections_beyond_the_limit_are_refused(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            busy(server, stack)
        eventually(lambda: len(server.connections) == 8, "not all are open")
        with server.connect() as one_more:
            answer = one_more.answer()
            assert (answer.status, answer.problem) == (503, "too-many-connections")
            assert int(answer.headers["retry-after"]) > 0
            assert one_more.is_closed()
    eventually(lambda: len(server.connections) == 0, "some are left")
    assert server.ask() == 200


def test_silent_and_idle_connections_make_room_for_others(server: Server) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(100)]
        idle = stack.enter_context(server.connect())
        for _ in range(3):
            idle.send(GET)
            assert idle.answer().status == 200
        assert [server.ask() for _ in range(20)] == [200] * 20
        assert all(client.is_closed() for client in silent[:93])
        for _ in range(8):
            busy(server, stack)
        assert all(client.is_closed() for client in (*silent[93:], idle))


# --- how slow ---------------------------------------------------------------------------------------


def test_a_connection_that_says_nothing_is_closed_without_a_word(server: Server) -> None:
    """A word would be taken for the answer to the request that a browser is about to send."""
    with server.connect() as client:
        eventually(lambda: len(server.connections) == 1, "it is not there")
        server.pass_by(19)
        server.pass_by(2)
        assert client.is_closed()


@pytest.mark.parametrize("said", [b"GET /", GET[:-2], GET + GET[:-2]])
def test_headers_that_do_not_come_to_an_end(said: bytes, server: Server) -> None:
    with server.connect() as client:
        client.send(said)
        if said.startswith(GET):
            assert client.answer().status == 200
        eventually(lambda: server.is_reading_a_head, "nothing has come")
        for _ in range(19):
            client.send(b"X")
            server.pass_by(1)
        server.pass_by(2)
        answer = client.answer()
        assert (answer.status, answer.problem) == (408, "too-slow")
        assert client.is_closed()


def test_headers_that_we_do_not_read_ourselves_are_waited_for(server: Server) -> None:
    """Nothing more is read while requests wait for the answer before them."""
    with server.connect() as client:
        client.send(GET.replace(b"/ ", b"/held ") + GET + GET[:-2])
        eventually(lambda: server.is_reading_a_head, "nothing has come")
        client.send(GET[-2:])
        for _ in range(25):
            server.pass_by(1)
        server.run.in_loop(server.may_go_on.set)
        assert [client.answer().body for _ in range(3)] == [b"held", b"hello", b"hello"]


def test_an_idle_connection_is_kept_for_longer_than_proxies_keep_theirs(server: Server) -> None:
    with server.connect() as client:
        client.send(GET)
        assert client.answer().status == 200
        server.pass_by(61)
        client.send(GET)
        assert client.answer().status == 200
        server.pass_by(76)
        assert client.is_closed()


@pytest.mark.parametrize("bytes_per_second", [0, 1, 500])
def test_a_body_that_stalls_or_drips(bytes_per_second: int, server: Server) -> None:
    with server.connect() as client:
        client.send(POST + b"x" * 40_000)
        eventually(lambda: server.body_size == 40_000, "it has not come")
        for second in range(1, 65):
            if server.seen:
                break
            client.send(b"x" * bytes_per_second)
            eventually(lambda: server.body_size == 40_000 + second * bytes_per_second, "it has not come")  # noqa: B023
            server.pass_by(1)
        answer = client.answer()
        assert (answer.status, answer.problem) == (408, "too-slow")
        assert client.is_closed()
        assert server.seen == ["broken off"]


def test_a_body_that_comes_slowly_but_comes(server: Server) -> None:
    with server.connect() as client:
        client.send(POST)
        for second in range(1, 101):
            client.send(b"x" * 10_000)
            eventually(lambda: server.body_size in (second * 10_000, 0), "it has not come")  # noqa: B023
            server.pass_by(9)
        assert client.answer().body == b"1000000"


def test_a_body_is_not_waited_for_before_the_client_was_told_to_go_on(server: Server) -> None:
    with server.connect() as client:
        client.send(
            POST.replace(b"/body", b"/early").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        )
        assert client.answer().body == b"no"


def test_whoever_is_answered_before_the_end_of_the_body_has_a_while_to_read_that(server: Server) -> None:
    with server.connect() as client:
        client.send(POST.replace(b"/body", b"/early") + b"x" * 1000)
        assert client.answer().body == b"no"
        server.pass_by(14)
        client.send(b"x" * 1000)
        server.pass_by(2)
        assert client.is_closed()


def test_whoever_sends_the_rest_in_that_while_may_go_on(server: Server) -> None:
    with server.connect() as client:
        client.send(POST.replace(b"/body", b"/early") + b"x" * 1_000_000 + GET)
        assert [client.answer().body, client.answer().body] == [b"no", b"hello"]


def test_a_client_that_does_not_read_its_answer(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: server.has_unsent, "it is all sent")
        server.pass_by(1)
        for _ in range(12):
            client.socket.recv(1)
            server.pass_by(10.1)
        eventually(lambda: len(server.connections) == 0, "it is still served")
    eventually(lambda: server.seen == ["given up"], "the answer is still being made")


def test_a_client_that_reads_its_answer_slowly_gets_it(server: Server) -> None:
    with server.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * _KB)
        client.send(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read = 0
        while read < 8 * _KB * _KB:
            come = 0
            while come < 512 * _KB:
                come += len(client.socket.recv(64 * _KB))
            read += come
            server.pass_by(100)
        assert len(server.connections) == 1
    assert server.seen in ([], ["given up"])


def test_a_stream_that_has_nothing_to_say_is_kept(server: Server) -> None:
    """An answer is too slow where the client takes nothing, not where there is nothing to take."""
    with server.connect() as client:
        client.send(POST)
        eventually(lambda: len(server.connections) == 1, "it is not there")
        client.send(b"x" * 1_000_000)
        assert client.answer().body == b"1000000"
    assert MUCH > 0


def test_a_request_behind_another_is_told_that_its_client_has_gone(server: Server) -> None:
    with server.connect() as client:
        client.send(
            POST.replace(b"1000000", b"10")
            + b"x" * 10
            + b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n"
            + GET
        )
        assert client.answer().body == b"10"
        eventually(lambda: server.has_unsent, "it is all sent")
    eventually(lambda: server.seen == ["given up"], "the answer is still being made")
