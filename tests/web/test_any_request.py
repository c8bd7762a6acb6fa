"""Any request at all: schemathesis makes them of the description of the API, valid ones and others.

No answer is a fault of the server, and every answer is one that the description has: its status, its media type and
its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS as ALL_CHECKS
from schemathesis.core.failures import FailureGroup

from tests.scale import SCALE
from tests.web.objects import STUDY, as_file, image, multipart

schemathesis.checks.load_all_checks()

CHECKS = ALL_CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)

LIMITS = settings(
    max_examples=SCALE.requests,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

#: Asks other systems, or holds the request until something happens; each has tests of its own.
LEFT_OUT = {
    ("get", "/api/v1/changes"),
    ("post", "/api/v1/peers/{peer_id}/echo"),
    ("post", "/api/v1/archives/{peer_id}/recall"),
    ("post", "/api/v1/destinations/{destination_id}/test"),
}

#: Values of parameters of which there is something in the server.
KNOWN: dict[str, list[Any]] = {
    "study": [STUDY],
    "sop": ["1.2.3.4.1", "1.2.3.4.2"],
    "note_id": [1, 2],
    "withdrawal_id": [1, 2],
    "held_id": [1, 2],
    "peer_id": [1],
    "destination_id": [1],
    "kind": ["settle", "register"],
}


@schemathesis.serializer("application/dicom")
def _octets(context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
def filled(client: httpx.Client) -> httpx.Client:
    """A server that has a little of everything."""
    for comments in ("", "other"):
        body, headers = multipart([as_file(image(1, PatientComments=comments)), as_file(image(2))])
        client.post("/dicomweb/studies", content=body, headers=headers)
    note = {
        "title": {"scheme": "DCM", "value": "113000"},
        "references": [{"sop_instance_uid": "1.2.3.4.1"}],
        "author": {"name": "Doe^Jane"},
    }
    for _ in range(2):
        client.post(f"/api/v1/studies/{STUDY}/notes", json=note)
    client.post("/api/v1/withdrawals", json={"act": "quality", "instances": ["1.2.3.4.2"]})
    endpoint = {"kind": "dimse", "ae_title": "A", "host": "127.0.0.1", "port": 1}
    peer = client.post("/api/v1/peers", json={"name": "A", "endpoints": [endpoint]}).json()
    client.post(
        "/api/v1/destinations", json={"name": "D", "endpoint": peer["endpoints"][0]["id"], "policy": {}}
    )
    return client


def operations(described: dict[str, Any]) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(described)
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr] # An error is raised.
        if (operation.method.lower(), operation.path) not in LEFT_OUT:
            yield operation


@pytest.mark.soak
def test_any_request_gets_an_answer_that_is_described(filled: httpx.Client, address: str) -> None:
    described = filled.get("/api/v1/openapi.json").json()
    wrong: dict[str, str] = {}
    asked = 0
    with requests.Session() as session:
        session.trust_env = False

        def ask(case: Case[Any], known: dict[str, Any]) -> None:
            nonlocal asked
            asked += 1
            case.path_parameters = {**case.path_parameters, **known}
            answer = case.call(base_url=address, session=session)
            case.validate_response(answer, checks=CHECKS)  # type: ignore[arg-type]

        for operation in operations(described):
            names = [each.name for each in operation.path_parameters]
            known = st.fixed_dictionaries(
                {}, optional={name: st.sampled_from(KNOWN[name]) for name in names if name in KNOWN}
            )
            for mode in GenerationMode:
                run = LIMITS(given(case=operation.as_strategy(generation_mode=mode), known=known)(ask))
                try:
                    run()
                except Unsatisfiable:
                    # Without parameters and body, there is nothing that could be wrong.
                    assert mode is GenerationMode.NEGATIVE, operation.label
                except FailureGroup as failures:
                    for each in failures.exceptions:
                        wrong[f"{operation.label}, {mode.value}: {each.title}"] = str(each)
    assert asked > 100
    assert not wrong, "\n\n".join(f"{name}\n{text}" for name, text in wrong.items())
