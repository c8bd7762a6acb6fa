"""How many requests of one client are answered at once, and who is believed about who the client is."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import httpx
import pytest

from kinote.web.application import create_application
from kinote.web.connections.doorkeeper import Doorkeeper
from kinote.web.connections.proxies import TrustedProxies
from kinote.web.rooms import Rooms
from tests.dimse.ends import eventually
from tests.web.conftest import running


@pytest.mark.parametrize(
    ("named", "address", "is_trusted"),
    [
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["10.1.0.0/16", "::1"], "10.1.200.3", True),
        (["10.1.0.0/16", "::1"], "10.2.0.1", False),
        (["10.1.0.0/16", "::1"], "::1", True),
        ([], "127.0.0.1", False),
        (["127.0.0.1"], "", False),
        (["127.0.0.1"], "unix:", False),
    ],
)
def test_trusted(named: list[str], address: str, is_trusted: bool) -> None:
    assert TrustedProxies(named).has(address) is is_trusted


@contextmanager
def served(rooms: Rooms, proxies: Sequence[str] = ()) -> Iterator[httpx.Client]:
    """A server that answers two requests of a client at once."""
    few = replace(rooms, options=replace(rooms.options, requests_per_client=2))
    with (
        running(create_application(few), Doorkeeper(is_proxy=TrustedProxies(proxies).has), proxies) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        yield client


@contextmanager
def asking(client: httpx.Client, *clients: str) -> Iterator[None]:
    """Requests of these clients that are being answered for as long as the block lasts."""
    with ExitStack() as stack:
        for each in clients:
            sock = stack.enter_context(socket.create_connection((client.base_url.host, client.base_url.port)))
            sock.settimeout(60)
            sock.sendall(_BEGUN.format(each).encode())
            # Its body is waited for from now on.
            assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        yield


_BEGUN = (
    "POST /api/v1/objects HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {}\r\nContent-Type: application/dicom\r\n"
    "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
)


@contextmanager
def streaming(client: httpx.Client, *clients: str) -> Iterator[None]:
    """Event streams of these clients, for as long as the block lasts."""
    with ExitStack() as stack:
        for each in clients:
            headers = {"Accept": "text/event-stream", "X-Forwarded-For": each}
            answer = stack.enter_context(client.stream("GET", "/api/v1/changes", headers=headers))
            assert answer.status_code == 200
        yield


def asked(client: httpx.Client, forwarded_for: str) -> int:
    return client.get("/api/v1/titles", headers={"X-Forwarded-For": forwarded_for}).status_code


def test_a_client_has_so_many_answers_at_once(rooms: Rooms) -> None:
    """Whatever it says about itself."""
    with served(rooms) as client:
        with asking(client, "10.0.0.1", "10.0.0.2"):
            answer = client.get("/api/v1/titles", headers={"X-Forwarded-For": "10.0.0.3"})
            assert answer.status_code == 429
            assert answer.json()["type"] == "urn:kinote:problem:too-many-requests"
            assert answer.headers["retry-after"] == "1"
            assert client.get("/healthz").status_code == 200
        eventually(lambda: asked(client, "") == 200, "it is refused for ever")


def test_clients_of_a_trusted_proxy_are_told_apart(rooms: Rooms) -> None:
    with served(rooms, ["127.0.0.1"]) as client, asking(client, "10.0.0.1", "10.0.0.1", "10.0.0.2"):
        assert [asked(client, f"10.0.0.{number}") for number in (1, 2, 3)] == [429, 200, 200]
        # What a client says itself stands before what the proxy has added.
        assert asked(client, "10.0.0.9, 10.0.0.1") == 429


def test_others_are_not_believed(rooms: Rooms) -> None:
    with served(rooms, ["10.9.9.9"]) as client, asking(client, "10.0.0.1", "10.0.0.2"):
        assert asked(client, "10.0.0.3") == 429


def test_event_streams_leave_room_for_requests(rooms: Rooms) -> None:
    """All of those who are behind a proxy that is not named."""
    headers = {"Accept": "text/event-stream"}
    with served(rooms) as client, streaming(client, "10.0.0.1", "10.0.0.2"):
        assert asked(client, "10.0.0.3") == 200
        with asking(client, "10.0.0.1"):
            assert asked(client, "10.0.0.3") == 200
        refused = client.get("/api/v1/changes", headers=headers)
        assert (refused.status_code, refused.json()["detail"]) == (
            429,
            "2 event streams of 127.0.0.1 are being answered.",
        )
        assert client.get("/api/v1/changes", params={"accept": "text/event-stream"}).status_code == 429
        assert client.get("/api/v1/changes").status_code == 200


def test_a_proxy_that_is_not_named_is_told_of_once(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    def told() -> list[str]:
        return [each.message for each in caplog.records if "trusted_proxies" in each.message]

    with served(rooms, ["127.0.0.1"]) as client:
        assert asked(client, "10.0.0.1") == 200
    assert told() == []
    with served(rooms, ["10.9.9.9"]) as client:
        assert client.get("/api/v1/titles").status_code == 200
        assert told() == []
        for _ in range(3):
            assert asked(client, "10.0.0.1") == 200
    assert len(told()) == 1
