"""The client of a running server: an act whose answer is lost is asked for again under the same key."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from kinote.command.store.client import Client, ServerError

LOST = b""
DONE = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\n{"changed":true}'
FAULT = b'HTTP/1.1 500 Fault\r\nConnection: close\r\nContent-Length: 18\r\n\r\n{"detail":"fault"}'


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[Client, list[str]]]:
    """A client of a server that gives these answers, one on each connection; and the keys the server was sent."""
    keys: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    received = b""
                    while b"\r\n\r\n" not in received:
                        received += connection.recv(4096)
                    keys.extend(re.findall(r"(?i)idempotency-key: (\S+)", received.decode()))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = Client(f"http://127.0.0.1:{listening.getsockname()[1]}", httpx.HTTPTransport())
        yield client, keys
        client.close()
        thread.join(60)


def test_an_act_whose_answer_is_lost_is_asked_for_again_under_the_same_key() -> None:
    with answering(LOST, DONE) as (client, keys):
        assert client.post("/act") == {"changed": True}
    first, again = keys
    assert first == again
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)


def test_each_act_has_a_key_of_its_own() -> None:
    with answering(DONE, DONE) as (client, keys):
        client.post("/act")
        client.post("/act")
    first, second = keys
    assert first != second


@pytest.mark.parametrize(
    ("answers", "said"), [((LOST, LOST), "cannot be reached"), ((FAULT,), "fault")], ids=["lost", "answered"]
)
def test_what_does_not_come_about_is_told(answers: tuple[bytes, ...], said: str) -> None:
    with answering(*answers) as (client, keys), pytest.raises(ServerError, match=said):
        client.post("/act")
    assert len(keys) == len(answers)
