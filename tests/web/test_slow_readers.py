"""A client that does not read its answer holds nothing that others need."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import Iterator

import pytest
from anyio import CapacityLimiter, create_task_group
from blockbuster import blockbuster_ctx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from kinote.web.bodies import response_body
from kinote.web.bodies.response_body import iterated
from tests.dimse.ends import eventually
from tests.web.conftest import running

_PIECE = 64 * 1024

#: Pieces of an answer that no buffers of the system take: 32 MB.
_PIECES = 512


class Scarce:
    """Answers that hold something of which there is one."""

    def __init__(self) -> None:
        self.holding = CapacityLimiter(1)
        self.limiter = CapacityLimiter(4)
        self.closed = 0

    def pieces(self) -> Iterator[bytes]:
        try:
            for number in range(_PIECES):
                yield number.to_bytes(2, "little") * (_PIECE // 2)
        finally:
            self.closed += 1

    async def answer(self, _request: Request) -> Response:
        return await iterated(
            self.pieces(), self.limiter, media_type="application/octet-stream", holding=self.holding
        )


WHOLE = hashlib.sha256(
    b"".join(number.to_bytes(2, "little") * (_PIECE // 2) for number in range(_PIECES))
).hexdigest()


@pytest.fixture
def scarce() -> Scarce:
    return Scarce()


@pytest.fixture
def server(scarce: Scarce) -> Iterator[running]:
    application = FastAPI()
    application.router.routes.append(Route("/", scarce.answer))
    server = running(application)
    with blockbuster_ctx("kinote"), server:
        eventually(lambda: server.is_up, "it does not start")
        yield server


def ask(server: running) -> socket.socket:
    sock = socket.create_connection(server.address)
    sock.settimeout(60)
    sock.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    return sock


def read(sock: socket.socket) -> str:
    content = bytearray()
    while data := sock.recv(1 << 20):
        content += data
    head, _, body = bytes(content).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" in head.lower()
    return hashlib.sha256(unchunked(body)).hexdigest()


def unchunked(body: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        length = int(body[at:end], 16)
        if not length:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + length])
        at = end + length + 4


def test_others_get_what_is_scarce_while_a_client_does_not_read(server: running, scarce: Scarce) -> None:
    with ask(server) as slow:
        for _ in range(3):
            with ask(server) as other:
                assert read(other) == WHOLE
        assert read(slow) == WHOLE
    assert scarce.closed == 4
    eventually(lambda: scarce.holding.borrowed_tokens == 0, "something is still held")


def test_an_answer_that_is_longer_than_is_read_ahead_comes_whole(
    server: running, scarce: Scarce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_body, "AHEAD", 4 * _PIECE)
    with ask(server) as client:
        assert read(client) == WHOLE
    assert scarce.closed == 1
    eventually(lambda: scarce.holding.borrowed_tokens == 0, "something is still held")


def test_what_is_scarce_is_given_back_when_the_client_goes(
    server: running, scarce: Scarce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_body, "AHEAD", 4 * _PIECE)
    with ask(server) as client:
        assert client.recv(10)
    eventually(lambda: scarce.closed == 1 and scarce.holding.borrowed_tokens == 0, "something is still held")


def test_a_client_that_does_not_read_is_broken_off_in_time(
    server: running, scarce: Scarce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_body, "AHEAD", 4 * _PIECE)
    monkeypatch.setattr(response_body, "HELD_SECONDS", 0.0)
    with ask(server) as slow:
        eventually(lambda: scarce.closed == 1 and scarce.holding.borrowed_tokens == 0, "it is still held")
        monkeypatch.setattr(response_body, "AHEAD", 1 << 30)
        with ask(server) as other:
            assert read(other) == WHOLE
        with pytest.raises((ValueError, ConnectionError)):
            # It is told that this was not all: there is no last chunk.
            read(slow)
    eventually(lambda: response_body.budget.taken == 0, "something is still counted")


def test_no_more_is_read_ahead_than_there_is_room_for_altogether(
    server: running, scarce: Scarce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_body, "AHEAD_ALTOGETHER", 1024 * _PIECE)
    scarce.holding = CapacityLimiter(3)
    with ask(server), ask(server):
        # The first two are read ahead whole, and there is no room for the third.
        eventually(lambda: scarce.closed == 2, "they are not read ahead")
        assert 0 < response_body.budget.taken <= 1024 * _PIECE
        with ask(server) as third:
            eventually(lambda: scarce.holding.borrowed_tokens == 1, "nothing is held")
            assert scarce.closed == 2
            assert read(third) == WHOLE
    eventually(lambda: response_body.budget.taken == 0, "something is still counted")


def test_who_goes_away_while_the_next_pieces_are_looked_for_leaves_nothing(scarce: Scarce) -> None:
    is_looking, may_go_on = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            yield bytes(_PIECE)
            is_looking.set()
            assert may_go_on.wait(60)
            yield bytes(_PIECE)
        finally:
            scarce.closed += 1

    async def ask_and_go_away() -> None:
        response = await iterated(
            pieces(), scarce.limiter, media_type="text/plain", at_once=_PIECE, holding=scarce.holding
        )
        assert isinstance(response, StreamingResponse)

        async def take() -> None:
            async for _ in response.body_iterator:
                pass

        async with create_task_group() as group:
            group.start_soon(take)
            assert await asyncio.to_thread(is_looking.wait, 60)
            group.cancel_scope.cancel()
            # It has been cancelled, and waits for its thread, when this one gets its turn.
            asyncio.get_running_loop().call_later(0.01, may_go_on.set)
        assert scarce.closed == 1

    asyncio.run(ask_and_go_away())
    assert (scarce.holding.borrowed_tokens, scarce.limiter.borrowed_tokens) == (0, 0)
