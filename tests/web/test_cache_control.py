"""No shared cache keeps what this server answers: every route says so, and so does every problem."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from kinote.web.application import create_application
from kinote.web.connections.limits import DEFAULT_LIMITS
from kinote.web.connections.refusals import refusals
from kinote.web.rooms import Rooms
from tests.web.objects import INSTANCE, SERIES, STUDY, as_file, image

#: What stands for the parameters of paths.
_VALUES = {"study": STUDY, "series": SERIES, "instance": INSTANCE, "sop": INSTANCE, "path": "", "frames": "1"}

#: Answers that never end by themselves.
_ENDLESS = re.compile("stream|events")


def _paths(application: FastAPI) -> list[str]:
    gets = [
        route.path
        for route in application.routes
        if isinstance(route, Route) and "GET" in (route.methods or ())
    ]
    found = [re.sub(r"\{(\w+)(:\w+)?\}", lambda match: _VALUES.get(match[1], "1"), path) for path in gets]
    return sorted(set(found))


def test_every_route_keeps_its_answer_out_of_shared_caches(rooms: Rooms, client: httpx.Client) -> None:
    stored = client.post(
        "/api/v1/objects", content=as_file(image()), headers={"Content-Type": "application/dicom"}
    )
    assert stored.json()["kind"] == "stored"
    paths = [path for path in _paths(create_application(rooms)) if not _ENDLESS.search(path)]
    assert len(paths) > 30
    assert "/metrics" in paths
    statuses = set()
    for path in paths:
        answer = client.get(path)
        statuses.add(answer.status_code)
        said = answer.headers.get("cache-control", "")
        assert "private" in said or "no-store" in said, path
    assert {200, 404} <= statuses


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
def test_so_does_every_problem(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> None:
    answer = client.request(method, path, headers=headers)
    assert answer.is_error
    assert "no-store" in answer.headers["cache-control"]


def test_so_does_what_is_answered_before_there_is_a_request() -> None:
    made = refusals(DEFAULT_LIMITS).values()
    assert made
    assert all(b"cache-control: no-store" in answer.lower() for answer in made)
