"""Uploads that stall hold no thread: others come in meanwhile, however many there are."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest
from anyio import CapacityLimiter, fail_after, to_thread
from blockbuster import blockbuster_ctx
from starlette.requests import Request
from starlette.types import Message

from kinote.web.application import create_application
from kinote.web.bodies import request_body
from kinote.web.bodies.request_body import Taking, in_threads_with_body
from kinote.web.rooms import Rooms, Threads
from tests.dimse.ends import eventually
from tests.web.conftest import running
from tests.web.objects import as_file, image

STALLED = 20

FORMS = {
    "objects": ("/api/v1/objects", "application/dicom", b""),
    "one instance": ("/dicomweb/studies", "application/dicom", b""),
    "parts": (
        "/dicomweb/studies",
        "multipart/related; type=application/dicom; boundary=b",
        b"--b\r\nContent-Type: application/dicom\r\n\r\n",
    ),
    "metadata": ("/dicomweb/studies", "application/dicom+json", b"["),
}


@pytest.fixture
def server(rooms: Rooms) -> Iterator[running]:
    few = replace(rooms, threads=Threads(uploads=CapacityLimiter(1)))
    server = running(create_application(few))
    with blockbuster_ctx("kinote"), server:
        yield server


def begin(server: running, form: str, content: bytes, length: int = 100_000_000) -> socket.socket:
    """A request that has so much of a body, and no more for now."""
    path, media_type, first = FORMS[form]
    sock = socket.create_connection(server.address)
    sock.settimeout(30)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    sock.sendall(head.encode() + first + content)
    return sock


@pytest.mark.parametrize("form", FORMS)
def test_others_come_in_while_uploads_stall(form: str, server: running) -> None:
    large = as_file(image(1, rows=512, columns=512))
    with ExitStack() as stack, httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        for _ in range(STALLED):
            stack.enter_context(begin(server, form, large[:100_000] if form != "metadata" else b"[" * 1000))
        for number in range(2, 5):
            answer = client.post(
                "/api/v1/objects",
                content=as_file(image(number, rows=512, columns=512)),
                headers={"Content-Type": "application/dicom"},
            )
            assert answer.json()["kind"] == "stored"
        assert len(client.get("/dicomweb/instances").json()) == 3


def test_an_upload_that_drips_keeps_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next byte comes before a thread would be given back, on a machine that is busy, too."""
    monkeypatch.setattr(request_body, "_WAITING", 0.3)
    limiter = CapacityLimiter(1)
    others: list[str] = []

    async def receive() -> Message:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"x", "more_body": not others}

    def take() -> Taking[int]:
        taken = 0
        while (piece := (yield)) is not None:
            taken += len(piece)
        return taken

    async def run() -> int:
        upload = asyncio.ensure_future(
            in_threads_with_body(Request({"type": "http", "headers": []}, receive), take, limiter)
        )
        while not limiter.borrowed_tokens:
            await asyncio.sleep(0)
        try:
            with fail_after(10):
                await to_thread.run_sync(others.append, "has had its turn", limiter=limiter)
        finally:
            others.append("it may end")
        return await upload

    assert asyncio.run(run()) > 0


def test_an_upload_that_stalled_goes_on(server: running) -> None:
    """Its threads change, and it does not notice."""
    whole = as_file(image(1, rows=1024, columns=1024))
    with begin(server, "objects", b"", len(whole)) as sock, begin(server, "objects", b"\0" * 200):
        for at in range(0, len(whole), 300_000):
            sock.sendall(whole[at : at + 300_000])
            with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
                answer = client.post(
                    "/api/v1/objects",
                    content=as_file(image(at + 2, rows=256, columns=256)),
                    headers={"Content-Type": "application/dicom"},
                )
                assert answer.json()["kind"] == "stored"
        answered = sock.recv(65536).partition(b"\r\n\r\n")[2]
        assert json.loads(answered)["kind"] == "stored"


def test_nothing_is_left_of_uploads_that_break_off(server: running, rooms: Rooms) -> None:
    with ExitStack() as stack:
        for form in FORMS:
            for _ in range(5):
                stack.enter_context(begin(server, form, as_file(image(1, rows=512, columns=512))[:200_000]))
    eventually(lambda: server.in_loop(lambda: not server.doorkeeper.connections), "a connection is left")
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        assert client.get("/dicomweb/instances").json() == []
        assert client.get("/healthz").status_code == 200


def test_what_is_refused_early_is_answered_when_the_body_has_come(server: running) -> None:
    whole = b"no DICOM at all" * 100_000
    with begin(server, "parts", b"", len(whole) + len(FORMS["parts"][2])) as sock:
        sock.sendall(whole)
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
