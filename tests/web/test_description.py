"""The description of the API: answers have the shapes that it gives, and every problem is described."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from kinote.web.description.openapi import ALSO, SHAPES
from tests.web.objects import STUDY, as_file, image, multipart

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

#: Parameters of what answers only if something is asked for.
ASKED = {"/api/v1/explain": {"instance": "1.2.3.4.1"}}


@pytest.fixture
def known(client: httpx.Client) -> dict[str, str]:
    """A server that has something of everything, and what stands in paths."""
    for comments in ("", "other"):
        body, headers = multipart([as_file(image(1, PatientComments=comments)), as_file(image(2))])
        client.post("/dicomweb/studies", content=body, headers=headers)
    note = {
        "title": {"scheme": "DCM", "value": "113000"},
        "references": [{"sop_instance_uid": "1.2.3.4.1"}],
        "author": {"name": "Doe^Jane"},
    }
    made = client.post(f"/api/v1/studies/{STUDY}/notes", json=note).json()
    withdrawn = client.post("/api/v1/withdrawals", json={"act": "quality", "instances": ["1.2.3.4.2"]}).json()
    peer = client.post(
        "/api/v1/peers",
        json={"name": "A", "endpoints": [{"kind": "dimse", "ae_title": "A", "host": "127.0.0.1", "port": 1}]},
    ).json()
    destination = client.post(
        "/api/v1/destinations", json={"name": "D", "endpoint": peer["endpoints"][0]["id"], "policy": {}}
    ).json()
    delivery = client.post("/api/v1/deliveries", json={"destination": "D", "studies": [STUDY]}).json()
    route = client.post(
        "/api/v1/routes",
        json={"name": "R", "destination": destination["id"], "triggers": ["note made"], "content": "notes"},
    ).json()
    hold = {"kind": "legal", "study": STUDY, "reason": "Case 17"}
    held = client.post("/api/v1/retention/holds", json=hold).json()
    plan = client.post("/api/v1/retention/plans", json={"bytes": 0}).json()
    return {
        "study": STUDY,
        "hold_id": str(held["id"]),
        "plan_id": str(plan["plan"]),
        "note_id": str(made["id"]),
        "sop": "1.2.3.4.1",
        "withdrawal_id": str(withdrawn["id"]),
        "peer_id": str(peer["id"]),
        "destination_id": str(destination["id"]),
        "delivery_id": str(delivery["id"]),
        "route_id": str(route["id"]),
    }


#: What this server has none of: each has tests of its own.
NOT_HERE = (
    "/{rejection_id}",
    "/{request_id}",
    "/{job_id}",
    "/{backup_id}",
    "/{decision_id}",
    "/{held_id}/comparison",
    "/archives/{peer_id}",
    "/{peer_id}/requests",
    "/{commitment_id}",
    "/{fetch_id}/missing",
)


def test_answers_have_the_shapes_that_are_described(client: httpx.Client, known: dict[str, str]) -> None:
    empty = []
    for (method, path), shape in SHAPES.items():
        if method != "get" or path.endswith(("/identity", *NOT_HERE)):
            continue
        answer = client.get(path.format(**known), params=ASKED.get(path))
        assert answer.status_code == 200, path
        adapter = TypeAdapter(shape)
        _same(adapter.dump_python(adapter.validate_python(answer.json()), mode="json"), answer.json(), path)
        if answer.json().get("items") == []:
            empty.append(path)
    # What this server has nothing of: nothing was misunderstood, refused or purged, and its jobs wait.
    assert set(empty) == {
        f"/api/v1/{name}"
        for name in (
            "instances/to-register",
            "findings",
            "queues",
            "laws",
            "purges",
            "purges/failures",
            "purges/plan",
            "alerts",
            "arrivals/refused",
            "rejections",
            "withdrawal-requests",
            "backups",
            "journal",
            "users",
            "tokens",
            "audit",
            "proposed-corrections",
            "held/decisions",
            "archives",
            "commitments",
            "notices",
            "routes/{route_id}/results",
            "deliveries/{delivery_id}/objects",
            "retention/plans/{plan_id}",
            "retention/evictions",
            "migrations/waiting",
            "migrations/duplicates",
            "migrations/folders",
            "migrations/fetches",
            "migrations/followed",
            "migrations/scans",
        )
    }


def _same(described: Any, answered: Any, place: str) -> None:
    """Nothing is answered that is not described."""
    if isinstance(answered, dict):
        assert described.keys() == answered.keys(), place
        for name, value in answered.items():
            _same(described[name], value, f"{place}.{name}")
    elif isinstance(answered, list):
        for number, value in enumerate(answered):
            _same(described[number], value, f"{place}[{number}]")
    else:
        assert described == answered, place


def test_every_operation_describes_its_problems(client: httpx.Client) -> None:
    described = client.get("/api/v1/openapi.json").json()
    operations = {
        (method, path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert set(SHAPES) <= set(operations)
    for (method, path), operation in operations.items():
        responses = operation["responses"]
        problems = {status: each["content"] for status, each in responses.items() if status >= "400"}
        assert {"400", "403", "422", "500", "503"} <= set(problems), (method, path)
        assert all(content == PROBLEM for content in problems.values()), (method, path)
        if "{" in path:
            assert "404" in problems
        if path.startswith("/api/v1/session/openid"):
            # Browsers are sent on.
            assert "303" in responses and not [status for status in responses if status.startswith("2")]
            continue
        answers = [each for status, each in responses.items() if status.startswith("2")]
        assert len(answers) == 1 + len(ALSO.get((method, path), ())), (method, path)
        for answer in answers:
            assert answer["content"], (method, path)
            if "application/json" in answer["content"]:
                assert len(answer["content"]["application/json"]["schema"]) > 1, (method, path)
    names = set(described["components"]["schemas"])
    assert all(reference.rpartition("/")[2] in names for reference in _references(described))


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for inner in value.values() for each in _references(inner)]
    return [each for inner in value for each in _references(inner)] if isinstance(value, list) else []
