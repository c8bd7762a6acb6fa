"""Storage commitment by DICOMweb (PS3.18 section 13), and what the REST API says of commitments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.objects import CT, SERIES, as_file, image

JSON = "application/dicom+json"
FIRST = f"{SERIES}.1"


def body(*uids: str) -> dict[str, Any]:
    items = [
        {"00081150": {"vr": "UI", "Value": [CT]}, "00081155": {"vr": "UI", "Value": [uid]}} for uid in uids
    ]
    return {"00081199": {"vr": "SQ", "Value": items}}


def ask(client: TestClient, transaction: str, said: Any, **headers: str) -> Any:
    return client.post(
        f"/dicomweb/commitment-requests/{transaction}",
        content=json.dumps(said) if not isinstance(said, str) else said,
        headers={"Content-Type": JSON, **headers},
    )


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    answer = client.post(
        "/dicomweb/studies", content=as_file(image(1)), headers={"Content-Type": "application/dicom"}
    )
    assert answer.status_code == 200
    return client


def test_the_result_comes_with_the_response_and_can_be_read_again(filled: TestClient) -> None:
    answer = ask(filled, "2.25.1", body(FIRST, "1.2.3.99"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
    said = answer.json()
    assert said["00081195"]["Value"] == ["2.25.1"]
    assert [each["00081155"]["Value"] for each in said["00081199"]["Value"]] == [[FIRST]]
    (failed,) = said["00081198"]["Value"]
    assert (failed["00081155"]["Value"], failed["00081197"]["Value"]) == (["1.2.3.99"], [0x0112])
    assert filled.get("/dicomweb/commitment-requests/2.25.1").json() == said
    assert ask(filled, "2.25.1", body("1.2.3.99", FIRST)).json() == said
    (listed,) = filled.get("/api/v1/commitments").json()["items"]
    assert (listed["way"], listed["state"], listed["committed_count"]) == ("dicomweb", "told", 1)
    shown = filled.get(f"/api/v1/commitments/{listed['id']}").json()
    assert shown["committed"] == [{"sop_class_uid": CT, "sop_instance_uid": FIRST}]
    assert filled.get("/api/v1/commitments", params={"sender": "NOBODY"}).json()["items"] == []


def test_another_request_with_the_same_transaction_is_a_conflict(filled: TestClient) -> None:
    assert ask(filled, "2.25.1", body(FIRST)).status_code == 200
    assert ask(filled, "2.25.1", body("1.2.3.99")).status_code == 409
    # Whoever has not asked is not told.
    other = filled.get("/dicomweb/commitment-requests/2.25.1", headers={"Kinote-Actor": "Somebody"})
    assert other.status_code == 404
    assert filled.get("/api/v1/commitments/77").status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[",
        "{}",
        "[]",
        '{"00081199": 5}',
        '{"00081199": {"vr": "SQ", "Value": []}}',
        json.dumps(body("x")),
    ],
)
def test_what_is_no_request(filled: TestClient, said: str) -> None:
    assert ask(filled, "2.25.1", said).status_code == 400


def test_what_is_asked_otherwise(filled: TestClient) -> None:
    assert ask(filled, "x", body(FIRST)).status_code == 400
    assert ask(filled, "2.25.1", body(FIRST), **{"Content-Type": "text/plain"}).status_code == 415
    assert ask(filled, "2.25.1", body(FIRST), Accept="text/html").status_code == 406
