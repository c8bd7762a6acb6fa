"""Every request passes through the table of rights, and what is denied is refused before anything is looked up."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from kinote.security import rights
from kinote.security.rights import Right, UnlistedError
from kinote.web.application import create_application
from kinote.web.requests.permitted import PermittedAPIRoute, PermittedRoute, require_rights, routes_of
from kinote.web.rooms import Rooms
from tests.laws.product import Client
from tests.policies import Denying, denying

#: Methods that are tried on every path.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "OTHER")


def asked_for(rooms: Rooms) -> set[tuple[str, str]]:
    """Every request the application answers, by method and path."""
    return {(method, path) for _, method, path in routes_of(create_application(rooms))}


def filled(path: str) -> str:
    """An address on a path; nothing of that name is there."""
    for name in ("study", "series", "instance", "frames", "sop", "note_id", "held_id"):
        path = path.replace(f"{{{name}}}", "1")
    return path.replace("{path:path}", "1")


class Denied:
    """The application, and the rights that nobody has now."""

    def __init__(self, rooms: Rooms) -> None:
        self.policy: Denying = denying()
        self.rooms = replace(rooms, policy=self.policy)
        self.client = Client(self.rooms)

    def status(self, method: str, path: str, *denied: Right) -> int:
        self.policy.denied.clear()
        self.policy.denied.update(denied)
        answer = self.client.request(method, filled(path))
        if answer.status_code == 403 and method != "HEAD":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:kinote:problem:not-allowed"
            assert answer.json()["detail"].startswith("This requires the right ")
            assert "/1" not in answer.text
        return answer.status_code


@pytest.fixture
def denied(rooms: Rooms) -> Iterator[Denied]:
    found = Denied(rooms)
    yield found
    found.client.close()


def hold_every_request_takes_its_right(denied: Denied) -> None:
    everything = asked_for(denied.rooms)
    for path in {path for _, path in everything}:
        for method in METHODS:
            is_there = (method, path) in everything
            if is_there:
                right = rights.right_of_request(method, path)
            else:
                right = _right_of_another(everything, method, path) or rights.OTHER_METHODS
            assert denied.status(method, path, right) == 403, f"{method} {path} without {right}"
            others = set(Right) - {right, Right.CONNECT}
            if not is_there:
                # Another route may have the path, with another method: this one's answer says so. Whoever may connect
                # may ask what any resource of DICOMweb can do.
                described = (200,) if method == "OPTIONS" and path.startswith("/dicomweb/") else ()
                statuses = (403, 404, 405, 422, *described)
                assert denied.status(method, path, *others) in statuses, f"{method} {path}"
            else:
                assert denied.status(method, path, *others) != 403, f"{method} {path} with {right}"


def _right_of_another(everything: Collection[tuple[str, str]], method: str, path: str) -> Right | None:
    """The right of a route with a parameter in whose place a part of this path can stand."""
    for other, template in everything:
        pattern = re.sub(r"\{\w+\}", "[^/{]+", template)
        if other == method and ":path" not in template and re.fullmatch(pattern, path):
            return rights.right_of_request(method, template)
    return None


def test_the_table_has_every_request_and_no_other(rooms: Rooms) -> None:
    found = asked_for(rooms)
    assert {(method, path) for method, path in found if method != "HEAD"} == set(rights.REQUESTS)
    assert {path for method, path in found if method == "HEAD"} == {
        path for method, path in found if method == "GET"
    }


def test_every_request_takes_its_right(denied: Denied) -> None:
    hold_every_request_takes_its_right(denied)


@pytest.mark.parametrize("route", [PermittedRoute, PermittedAPIRoute])
def test_breach_a_route_that_looks_at_no_right_is_noticed(
    denied: Denied, monkeypatch: pytest.MonkeyPatch, route: type
) -> None:
    monkeypatch.setattr(route, "begin", lambda self, scope: None)
    with pytest.raises(AssertionError, match="without"):
        hold_every_request_takes_its_right(denied)


def test_breach_a_request_whose_right_is_removed_keeps_the_server_from_starting(rooms: Rooms) -> None:
    application = create_application(rooms)
    for method, path in list(rights.REQUESTS):
        with pytest.MonkeyPatch.context() as removing:
            removing.delitem(rights.REQUESTS, (method, path))
            with pytest.raises(UnlistedError, match="has no right"):
                require_rights(application)
    with pytest.MonkeyPatch.context() as removing:
        removing.delitem(rights.REQUESTS, ("GET", "/healthz"))
        with pytest.raises(UnlistedError, match="/healthz has no right"):
            create_application(rooms)


async def _passing_by(_request: Request) -> Response:
    return Response("anything")


@pytest.mark.parametrize(
    "route",
    [
        Route("/healthz", _passing_by),
        Route("/passing-by", _passing_by),
        PermittedRoute("/passing-by", _passing_by),
        Mount("/passing-by", Route("/", _passing_by)),
    ],
    ids=["of another class", "unknown", "without a row", "a mount"],
)
def test_breach_a_route_that_passes_by_keeps_the_server_from_starting(
    rooms: Rooms, route: Route | Mount
) -> None:
    application = create_application(rooms)
    application.router.routes.append(route)
    with pytest.raises(UnlistedError):
        require_rights(application)


def test_a_refusal_is_the_same_for_what_is_there_and_what_is_not(denied: Denied) -> None:
    denied.policy.denied.add(Right.READ)
    answers = {
        denied.client.get(f"/{path}").text
        for path in (
            "dicomweb/studies/1.2.3",
            "api/v1/notes/1",
            "dicomweb/studies?limit=no",
            "api/v1/notes/x",
        )
    }
    assert len(answers) == 1
