"""Where others have taken all memory, each resource says so and gives everything back (law 5)."""

from __future__ import annotations

import json

import httpx
import pytest

from kinote.memory.shared import MEMORY
from tests.full_memory import comes_back, full_memory
from tests.web.objects import INSTANCE, INSTANCES, STUDY, as_file, image, multipart

_DICOM = {"Content-Type": "application/dicom"}
_JSON = {"Content-Type": "application/dicom+json"}


def _metadata() -> bytes:
    dataset = image(1)
    del dataset.PixelData
    return json.dumps([dataset.to_json_dict()]).encode()


def _bulk() -> tuple[bytes, dict[str, str]]:
    header = json.loads(_metadata())
    header[0]["00091010"] = {"vr": "OB", "BulkDataURI": "a"}
    body = (
        b"--b\r\nContent-Type: application/dicom+json\r\n\r\n"
        + json.dumps(header).encode()
        + b"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Location: a\r\n\r\n"
        + bytes(300_000)
        + b"\r\n--b--\r\n"
    )
    return body, {"Content-Type": 'multipart/related; type="application/dicom+json"; boundary=b'}


_PARTS = multipart([as_file(image(1)), as_file(image(2))])

_REQUESTS: dict[str, tuple[str, str, bytes | None, dict[str, str]]] = {
    "objects": ("POST", "/dicomweb/studies", *_PARTS),
    "one object": ("POST", "/dicomweb/studies", as_file(image(1)), _DICOM),
    "an object by the API": ("POST", "/api/v1/objects", as_file(image(1)), _DICOM),
    "DICOM JSON": ("POST", "/dicomweb/studies", _metadata(), _JSON),
    "DICOM JSON and bulk data": ("POST", "/dicomweb/studies", *_bulk()),
    "a request for commitment": ("POST", "/dicomweb/commitment-requests/1.2.3", b"{}", _JSON),
    "a note": ("POST", f"/api/v1/studies/{STUDY}/notes", b"{}", {"Content-Type": "application/json"}),
    "frames": ("GET", f"{INSTANCES}/{INSTANCE}/frames/1", None, {"Accept": "application/octet-stream"}),
    "a picture": ("GET", f"{INSTANCES}/{INSTANCE}/rendered", None, {"Accept": "image/png"}),
    "metadata": ("GET", f"/dicomweb/studies/{STUDY}/metadata", None, {}),
    "all attributes": ("GET", f"/dicomweb/studies/{STUDY}/instances?includefield=all", None, {}),
}


@pytest.mark.parametrize("name", _REQUESTS)
def test_law_5_without_memory_it_is_refused_for_now(client: httpx.Client, name: str) -> None:
    before = MEMORY.held
    method, path, body, headers = _REQUESTS[name]
    if method == "GET":
        stored = client.post("/dicomweb/studies", content=as_file(image(1)), headers=_DICOM)
        assert stored.status_code == 200
    with full_memory():
        refused = client.request(method, path, content=body, headers=headers)
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) > 0
        if "application/problem+json" in refused.headers["content-type"]:
            assert refused.json()["detail"].endswith("try again later.")
    answered = client.request(method, path, content=body, headers=headers)
    assert answered.status_code in (
        {200, 202} if method == "GET" or "objects" in path else {200, 202, 400, 409, 422}
    )
    assert comes_back(before)


def test_law_5_a_thousand_bulk_parts_take_one_file(client: httpx.Client) -> None:
    """And those that are larger than a piece of memory do not lie in it."""
    header = json.loads(_metadata())
    parts = [(f"p{number}", bytes([number % 256]) * (600 + number)) for number in range(1000)]
    for number, (name, _) in enumerate(parts):
        header[0][f"{0x00091000 + number:08X}"] = {"vr": "OB", "BulkDataURI": name}
    head = b"--b\r\nContent-Type: application/dicom+json\r\n\r\n" + json.dumps(header).encode()
    body = head + b"".join(
        b"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Location: %b\r\n\r\n%b"
        % (name.encode(), value)
        for name, value in parts
    )
    response = client.post(
        "/dicomweb/studies",
        content=body + b"\r\n--b--\r\n",
        headers={"Content-Type": 'multipart/related; type="application/dicom+json"; boundary=b'},
    )
    assert response.status_code == 200, response.text
    stored = client.get(f"{INSTANCES}/{INSTANCE}", headers={"Accept": "application/dicom"}).content
    assert all(value in stored for _, value in parts)
