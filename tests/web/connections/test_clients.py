"""How many requests of one client are answered at once, and who is believed about who the client is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import httpx
import pytest

from kinote.web.application import create_application
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
        running(create_application(few), proxies=proxies) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        yield client


@contextmanager
def streaming(client: httpx.Client, *clients: str) -> Iterator[None]:
    """Requests of these clients that are being answered for as long as the block lasts."""
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
        with streaming(client, "10.0.0.1", "10.0.0.2"):
            answer = client.get("/api/v1/titles", headers={"X-Forwarded-For": "10.0.0.3"})
            assert answer.status_code == 429
            assert answer.json()["type"] == "urn:kinote:problem:too-many-requests"
            assert answer.headers["retry-after"] == "1"
            assert client.get("/healthz").status_code == 200
        eventually(lambda: asked(client, "") == 200, "it is refused for ever")


def test_clients_of_a_trusted_proxy_are_told_apart(rooms: Rooms) -> None:
    with served(rooms, ["127.0.0.1"]) as client, streaming(client, "10.0.0.1", "10.0.0.1", "10.0.0.2"):
        assert [asked(client, f"10.0.0.{number}") for number in (1, 2, 3)] == [429, 200, 200]
        # What a client says itself stands before what the proxy has added.
        assert asked(client, "10.0.0.9, 10.0.0.1") == 429


def test_others_are_not_believed(rooms: Rooms) -> None:
    with served(rooms, ["10.9.9.9"]) as client, streaming(client, "10.0.0.1", "10.0.0.2"):
        assert asked(client, "10.0.0.3") == 429
