"""Who may speak to the server, and the pages and headers around the services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route, compile_path

from kinote.web.allowed_methods import AllowedMethods
from kinote.web.application import create_application
from kinote.web.rooms import Rooms


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("kinote.localhost", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.0.2.1", 421),
        ("", 400),
        ("localhost/@evil.example", 400),
        ("evil.example@localhost", 400),
        ("localhost@evil.example", 400),
        ("localhost?evil.example", 400),
        ("localhost#", 400),
        ("localhost:80:80", 400),
        ("localhost:evil", 400),
        ("[::1", 400),
        ("LOCALHOST:1", 200),
    ],
)
def test_hosts(client: httpx.Client, host: str, status: int) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://localhost:8080"}, True),
        ({"Origin": "http://localhost:3000"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
    ],
)
def test_pages_of_other_origins_change_nothing(
    client: httpx.Client, headers: dict[str, str], allowed: bool
) -> None:
    sent = {"Host": "localhost:8080", "Content-Type": "application/json", **headers}
    for method, path in (
        ("POST", "/api/v1/studies/1.2/notes"),
        ("POST", "/dicomweb/studies"),
        ("DELETE", "/api/v1/notes/1"),
    ):
        status = client.request(method, path, headers=sent, content=b"{}").status_code
        assert (status != 403) is allowed
    assert client.get("/api/v1/titles", headers=sent).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/titles", "/dicomweb/studies", "/api/v1/nothing", "/"])
def test_headers_on_every_answer(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/metrics", "/readyz", "/api/v1/nothing", "/dicomweb/studies/1.2", "/api/v1/held/1/file"]
)
def test_what_does_not_say_that_it_may_be_kept_is_not_kept(client: httpx.Client, path: str) -> None:
    assert client.get(path).headers["cache-control"] == "private, no-store"


def test_health_and_metrics(client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {
        "status": "ready",
        "quarantined_files": 0,
        "damaged_objects": 0,
        "folders_read_in_place": [],
        "alerts": [],
    }
    client.get("/dicomweb/studies")
    text = client.get("/metrics").text
    assert 'kinote_http_request_seconds_count{method="GET",route="search_studies",status="200"}' in text


def test_the_viewer_s_files(client: httpx.Client, rooms: Rooms) -> None:
    missing = client.get("/")
    assert missing.status_code == 503 and "not built" in missing.text
    folder: Path = rooms.options.viewer
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>viewer")
    (folder / "assets" / "app-1a2b.js").write_text("1")
    (folder.parent / "secret").write_text("x")
    for path in ("/", "/studies/1.2.3"):
        page = client.get(path)
        assert page.text == "<!doctype html>viewer" and page.headers["cache-control"] == "no-cache"
    script = client.get("/assets/app-1a2b.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert client.get("/assets/gone.js").status_code == 404
    for path in ("/%2e%2e/secret", "/..%2fsecret", "/assets/..%2f..%2fsecret"):
        assert client.get(path).text != "x"
    assert client.get("/api/v1/nothing").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/dicomweb/studies", "GET, HEAD, POST, OPTIONS"),
        ("PUT", "/dicomweb/studies/1.2", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/dicomweb/series", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/v1/notes/1", "GET, HEAD, PUT, DELETE"),
        ("PUT", "/api/v1/studies/1.2/notes", "GET, HEAD, POST"),
        ("DELETE", "/api/v1/objects", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/studies/1.2", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_that_the_resource_takes(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"] == allowed


def test_no_route_is_asked_once_for_each_method(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = AllowedMethods(create_application(rooms).routes[:-1])
    compiled = Counter[str]()

    def counted(path: str) -> Any:
        compiled[path] += 1
        return compile_path(path)

    monkeypatch.setattr("kinote.web.allowed_methods.compile_path", counted)
    for base in (Route, APIRoute):
        monkeypatch.setattr(base, "matches", lambda *given: pytest.fail("asked a route"))
    for _ in range(2):
        assert methods.of("/api/v1/notes/1") == ("GET", "HEAD", "PUT", "DELETE")
        assert methods.of("/nothing") == ()
    assert len(compiled) > 50 and set(compiled.values()) == {1}


def test_a_fault_of_the_server_tells_nothing_of_its_inside(client: httpx.Client, rooms: Rooms) -> None:
    rooms.catalog.write(lambda transaction: transaction.exec_driver_sql("DROP TABLE change"))
    response = client.get("/api/v1/changes")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "frame-ancestors" in response.headers["content-security-policy"]
    assert "change" not in response.json()["detail"] and "sql" not in response.text.lower()
    assert client.get("/healthz").status_code == 200


def _chunks(size: int) -> Iterator[bytes]:
    """A body that no Content-Length declares."""
    yield b'{"a":"'
    yield b"a" * (size - 8)
    yield b'"}'


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "in chunks"])
def test_a_body_of_the_api_has_a_bound_to_the_byte(
    rooms: Rooms, client: httpx.Client, declares: bool
) -> None:
    most = rooms.options.max_json_bytes
    for size, status in ((most, 422), (most + 1, 413)):
        body = b"".join(_chunks(size)) if declares else _chunks(size)
        response = client.post(
            "/api/v1/withdrawals", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == status
    assert response.json()["detail"] == f"The body has more than {most} bytes."


def test_objects_by_the_api_have_no_such_bound(client: httpx.Client, rooms: Rooms) -> None:
    response = client.post(
        "/api/v1/objects",
        content=bytes(rooms.options.max_json_bytes + 1),
        headers={"Content-Type": "application/dicom"},
    )
    assert response.status_code == 200
    assert response.json()["kind"] == "refused"
