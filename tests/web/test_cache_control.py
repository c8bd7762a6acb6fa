"""No cache keeps a problem, nor what is answered before there is a request."""

from __future__ import annotations

import httpx
import pytest

from kinote.web.connections.limits import DEFAULT_LIMITS
from kinote.web.connections.refusals import refusals


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/api/v1/nothing", {}),
        ("GET", "/dicomweb/studies?limit=x", {}),
        ("GET", "/dicomweb/studies", {"Host": "evil.example"}),
        ("GET", "/dicomweb/studies", {"Host": "localhost/@evil.com"}),
        ("POST", "/dicomweb/studies", {"Content-Type": "text/plain"}),
        ("DELETE", "/dicomweb/studies", {}),
    ],
)
def test_no_cache_keeps_a_problem(
    client: httpx.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = client.request(method, path, headers=headers)
    assert answer.is_error
    assert "no-store" in answer.headers["cache-control"]


def test_no_cache_keeps_what_is_answered_before_there_is_a_request() -> None:
    made = refusals(DEFAULT_LIMITS).values()
    assert made
    assert all(b"cache-control: no-store" in answer.lower() for answer in made)
