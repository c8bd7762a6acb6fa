"""Clients that say exactly what a test says, and a server whose clock the test has in hand."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.limits import ConnectionLimits
from kinote.web.connections.protocol import GuardedProtocol
from tests.dimse.ends import eventually
from tests.web.conftest import running

LIMITS = ConnectionLimits(connections=8, connections_per_address=8, headers=20, pipelined=3)

#: Bytes that no buffer of the system takes.
MUCH = 64 * 1024 * 1024


@dataclass
class Server:
    """A server that answers `/`, takes bodies at `/body`, sends much from `/much`, and waits at `/held`."""

    address: tuple[str, int]
    run: running
    now: list[float]
    seen: list[str] = field(default_factory=list)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    #: How clients begin TLS, where the server has it.
    client_tls: ssl.SSLContext | None = None

    def pass_by(self, seconds: float) -> None:
        """Time passes, and all connections are looked at."""
        self.now[0] += seconds
        self.run.in_loop(self.run.doorkeeper.look)

    @property
    def connections(self) -> list[GuardedProtocol]:
        return self.run.in_loop(
            lambda: [each for each in self.run.doorkeeper.connections if isinstance(each, GuardedProtocol)]
        )

    @property
    def is_reading_a_head(self) -> bool:
        return any(each.in_head for each in self.connections)

    @property
    def body_size(self) -> int:
        return sum(each.body_size for each in self.connections)

    @property
    def has_unsent(self) -> bool:
        return any(each.flow.write_paused for each in self.connections)

    def connect(self) -> Client:
        sock = self.connect_without_tls()
        return Client(self.client_tls.wrap_socket(sock) if self.client_tls else sock)

    def connect_without_tls(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)

    def ask(self) -> int:
        """The status that somebody gets who asks now."""
        with self.connect() as client:
            client.send(GET)
            return client.answer().status


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """The name of the problem, which says the status of the answer."""
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert self.headers["content-type"] == "application/problem+json"
        assert document["detail"]
        return str(document["type"]).removeprefix("urn:kinote:problem:")


class Client:
    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(30)
        self._come = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Answer:
        while b"\r\n\r\n" not in self._come:
            self._read()
        head, _, self._come = self._come.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers["content-length"])
        while len(self._come) < length:
            self._read()
        body, self._come = self._come[:length], self._come[length:]
        return Answer(int(status.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Waits for the end, and sees that nothing comes before it."""
        try:
            return self._come == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"The connection is closed after {self._come!r}"
        self._come += data


@contextmanager
def serving(context: ssl.SSLContext | None = None, **limits: float) -> Iterator[Server]:
    """A server for as long as the block lasts, and no connection left at its end."""
    now = [1000.0]
    seen: list[str] = []
    may_go_on = asyncio.Event()
    doorkeeper = Doorkeeper(replace(LIMITS, **limits), clock=lambda: now[0])  # type: ignore[arg-type]

    async def hello(_request: Request) -> Response:
        return PlainTextResponse("hello")

    async def body(request: Request) -> Response:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            seen.append("broken off")
            raise

    async def early(_request: Request) -> Response:
        return PlainTextResponse("no")

    async def held(_request: Request) -> Response:
        await may_go_on.wait()
        return PlainTextResponse("held")

    async def much(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                for _ in range(MUCH // 65536):
                    yield bytes(65536)
                    # As who makes it in threads: whoever only sends never hears that the client has gone.
                    await asyncio.sleep(0)
                seen.append("all sent")
            except asyncio.CancelledError:
                seen.append("given up")
                raise

        return StreamingResponse(pieces())

    application = FastAPI()
    for path, answers in (("/", hello), ("/body", body), ("/early", early), ("/much", much), ("/held", held)):
        application.router.routes.append(Route(path, answers, methods=["GET", "POST"]))
    with_doorkeeper = running(application, doorkeeper, context=context)
    with with_doorkeeper as url:
        host, _, port = url.removeprefix("http://").partition(":")
        eventually(lambda: with_doorkeeper.is_up, "it does not start")
        yield Server((host, int(port)), with_doorkeeper, now, seen, may_go_on, _of_clients(context))
        eventually(lambda: not doorkeeper.connections, "a connection is left")


def _of_clients(context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    if context is None:
        return None
    of_clients = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    of_clients.check_hostname = False
    of_clients.verify_mode = ssl.CERT_NONE
    return of_clients
