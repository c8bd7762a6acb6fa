"""Lists and metadata go out as gzip to whoever takes it, and are the same; nothing else does."""

from __future__ import annotations

import json

import httpx
import pytest
from starlette.datastructures import Headers

from kinote.web.bodies.compression import takes_gzip
from tests.web.objects import SERIES, STUDY, as_file, image, multipart

LISTS = [
    "/dicomweb/instances",
    f"/dicomweb/studies/{STUDY}/metadata",
    f"/api/v1/studies/{STUDY}",
    "/api/v1/titles",
    "/api/v1/openapi.json",
]


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    body, headers = multipart([as_file(image(number)) for number in range(1, 30)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def sent(client: httpx.Client, path: str, coding: str) -> tuple[httpx.Response, bytes]:
    with client.stream("GET", path, headers={"Accept-Encoding": coding}) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize("path", LISTS)
def test_lists_are_compressed_for_whoever_takes_it(stored: httpx.Client, path: str) -> None:
    plain, plain_bytes = sent(stored, path, "identity")
    packed, packed_bytes = sent(stored, path, "gzip")
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert len(packed_bytes) < len(plain_bytes) / 2
    assert json.loads(plain_bytes) == stored.get(path).json()


def test_metadata_that_are_known_are_not_sent_again(stored: httpx.Client) -> None:
    path = f"/dicomweb/studies/{STUDY}/metadata"
    tag = stored.get(path).headers["etag"]
    assert tag.startswith('W/"')
    assert stored.get(path, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        f"/dicomweb/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1/frames/1",
        f"/dicomweb/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1",
        f"/dicomweb/studies/{STUDY}/rendered",
        "/api/v1/identity?challenge=" + "a" * 64,
        "/api/v1/queues",
        "/metrics",
        "/api/v1/nothing",
        "/",
    ],
)
def test_nothing_else_is(stored: httpx.Client, path: str) -> None:
    assert "content-encoding" not in sent(stored, path, "gzip")[0].headers


def test_the_version_of_a_note_stays_what_if_match_takes(stored: httpx.Client) -> None:
    note = {
        "title": {"scheme": "DCM", "value": "113000"},
        "description": "seen " * 400,
        "author": {"name": "Roe^Richard"},
        "references": [{"sop_instance_uid": f"{SERIES}.1"}],
    }
    made = stored.post(f"/api/v1/studies/{STUDY}/notes", json=note)
    address = made.headers["location"]
    answer = stored.get(address)
    assert answer.headers["etag"] == '"1"'
    revised = stored.put(address, json=note, headers={"If-Match": answer.headers["etag"]})
    assert revised.status_code == 200, revised.text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("gzip", True),
        ("deflate, GZip;q=0.5", True),
        ("*", True),
        ("gzip;q=0, *", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("", False),
    ],
)
def test_what_a_client_takes(said: str, expected: bool) -> None:
    assert takes_gzip(Headers({"accept-encoding": said})) is expected
