"""Holds over HTTP: placed, listed, read, ended; what they keep does not expire."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from kinote.web.application import Rooms, create_application
from tests.actors import ORIGIN
from tests.web.conftest import running
from tests.web.objects import INSTANCE, STUDY, as_file, image


@pytest.fixture
def api(rooms: Rooms) -> Iterator[httpx.Client]:
    upload = rooms.receiver.open(ORIGIN)
    upload.write(as_file(image(1)))
    assert upload.finish().result(60).kind == "stored"
    with (
        running(create_application(rooms)) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield client


def test_a_hold_over_http(api: httpx.Client) -> None:
    asked = {"kind": "legal", "study": STUDY, "reason": "A case is open"}
    placed = api.post("/retention/holds", json=asked)
    assert placed.status_code == 201
    hold = placed.json()
    assert (hold["in_force"], hold["keeps"]["instances"], hold["on"]) == (True, 1, f"study {STUDY}")
    assert api.get(placed.headers["Location"].removeprefix("/api/v1")).json() == hold
    listed = api.get("/retention/holds").json()["items"]
    assert listed == [{name: value for name, value in hold.items() if name != "keeps"}]
    (copy,) = api.get(f"/instances/{INSTANCE}/explain").json()["items"]
    assert any("legal hold" in sentence for sentence in copy["sentences"])
    expiry = {"act": "retention expired", "studies": [STUDY]}
    refused = api.post("/withdrawals", json=expiry)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kinote:problem:on-hold")
    path = f"/retention/holds/{hold['id']}"
    assert api.delete(path).status_code == 422
    ended = api.delete(path, params={"reason": "settled"}).json()
    assert (ended["in_force"], ended["ended_because"]) == (False, "settled")
    assert api.delete(path, params={"reason": "settled"}).status_code == 409
    assert api.get("/retention/holds").json()["items"] == []
    assert len(api.get("/retention/holds", params={"ended": True}).json()["items"]) == 1
    assert api.post("/withdrawals", json=expiry).status_code == 201


REFUSED = {
    "kind": {"kind": "eternal", "study": STUDY, "reason": "x"},
    "reason": {"kind": "legal", "study": STUDY, "reason": ""},
    "study": {"kind": "legal", "reason": "x"},
    "until": {"kind": "legal", "study": STUDY, "reason": "x", "until": "soon"},
    "note": {"kind": "legal", "note": 4711, "reason": "x"},
}


def test_what_is_refused_of_a_hold_names_its_field(api: httpx.Client) -> None:
    for field, asked in REFUSED.items():
        answer = api.post("/retention/holds", json=asked)
        assert answer.status_code == 422, field
        assert [each["field"] for each in answer.json()["errors"]] == [field]
    both = {"kind": "legal", "study": STUDY, "note": 1, "reason": "x"}
    assert api.post("/retention/holds", json=both).status_code == 422
