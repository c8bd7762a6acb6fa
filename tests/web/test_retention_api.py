"""Retention over HTTP: the cache, rules with their effects, plans and their evictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from pydantic import TypeAdapter

from kinote.retention.headroom import Volume
from kinote.web.application import Rooms, create_application
from kinote.web.description.retaining import RETAINING
from tests.actors import ORIGIN
from tests.web.conftest import running
from tests.web.objects import as_file, image

RULES = {
    "rules": [
        {"name": "ultrasound", "action": "keep", "when": {"modalities": ["US"]}},
        {"name": "recent", "action": "keep until", "days": 90, "when": {}},
    ],
    "bounds": {"unit": "bytes", "upper": 500, "lower": 1},
    "mode": "training",
}


@pytest.fixture
def api(rooms: Rooms) -> Iterator[httpx.Client]:
    upload = rooms.receiver.open(ORIGIN)
    upload.write(as_file(image(1)))
    assert upload.finish().result(60).kind == "stored"
    with (
        running(create_application(replace(rooms, volume=lambda: Volume(4000, 10_000)))) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield client


def same(answer: httpx.Response, method: str, path: str) -> object:
    """The answer, which is as it is described."""
    assert answer.is_success, answer.text
    adapter = TypeAdapter(RETAINING[method, f"/api/v1/{path}"])
    assert adapter.dump_python(adapter.validate_python(answer.json()), mode="json") == answer.json()
    return answer.json()


def test_retention_over_http(api: httpx.Client) -> None:
    assert api.get("/retention/rules").headers["ETag"] == '"0"'
    made = same(api.post("/retention/plans", json={"bytes": 1}), "post", "retention/plans")
    assert isinstance(made, dict)
    assert (made["frees"], made["is_enough"], made["counted"]) == (0, False, True)
    assert "No archive" in made["hindrance"] or "no archive" in made["hindrance"]
    cache = same(api.get("/retention"), "get", "retention")
    assert isinstance(cache, dict)
    assert cache["bytes"] > 0
    preview = api.put("/retention/rules", params={"preview": True}, json=RULES).json()
    assert [each["matches"]["objects"] for each in preview["before"]] == [1]
    assert [each["matches"]["objects"] for each in preview["after"]] == [0, 1, 0]
    assert [each["protects"]["objects"] for each in preview["after"]] == [0, 1, 0]
    assert api.put("/retention/rules", json=RULES).status_code == 428
    saved = api.put("/retention/rules", json=RULES, headers={"If-Match": '"0"'})
    rules = same(saved, "put", "retention/rules")
    assert isinstance(rules, dict)
    assert {name: rules[name] for name in RULES} == RULES
    assert api.put("/retention/rules", json=RULES, headers={"If-Match": '"0"'}).status_code == 412
    whole = same(api.get(f"/retention/plans/{made['plan']}"), "get", "retention/plans/{plan_id}")
    assert isinstance(whole, dict)
    assert whole["items"] == []
    path = f"/retention/plans/{made['plan']}/evict"
    done = same(api.post(path), "post", "retention/plans/{plan_id}/evict")
    assert done == {"evicted": 0, "bytes": 0, "kept": 0, "left": 0}
    assert api.get("/retention/plans/99").status_code == 404
    same(api.get("/retention/plans"), "get", "retention/plans")
    same(api.get("/retention/evictions"), "get", "retention/evictions")
    impossible = {**RULES, "bounds": {"unit": "bytes", "upper": 20_000, "lower": 1}}
    refused = api.put("/retention/rules", json=impossible, headers={"If-Match": f'"{rules["version"]}"'})
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["bounds.upper"]
