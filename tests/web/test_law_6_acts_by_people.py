"""Law 6: acts by people carry a key that makes repeating them harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from kinote.catalog import answered_requests
from kinote.catalog.schema.tables import answered_request, metadata
from kinote.web.api.protocol import idempotency
from kinote.web.application import create_application
from kinote.web.rooms import Rooms
from tests.web.objects import INSTANCE, STUDY, as_file, image, multipart

#: What tells by itself that it is done already: objects, files and notes of tables, by UID and digest; sign-in, which
#: makes secrets that are not kept for a second answer; and acts on users and tokens, which set what holds then. Exports
#: change no object: they are reading, with a body. Each gives the objects once more, and is recorded as that.
NEEDS_NO_KEY = {
    "POST /api/v1/objects",
    "POST /api/v1/migrations/notes",
    "POST /api/v1/migrations/key-objects",
    "POST /api/v1/migrations/scans",
    "POST /api/v1/migrations/fetches",
    "POST /api/v1/exports",
    "POST /api/v1/exports/plan",
    "POST /api/v1/session",
    "DELETE /api/v1/session",
    "PUT /api/v1/session/password",
    "POST /api/v1/users",
    "PUT /api/v1/users/{user_id}",
    "PUT /api/v1/users/{user_id}/password",
    "POST /api/v1/tokens",
    "DELETE /api/v1/tokens/{token_id}",
}

NOTE = {"title": {"scheme": "DCM", "value": "113000"}, "references": [{"sop_instance_uid": INSTANCE}]}


def acts_of(application: FastAPI) -> dict[str, bool]:
    """Every request of the REST API that changes something, and whether it takes a key."""
    return {
        f"{method.upper()} {path}": any(
            told["name"].lower() == "idempotency-key" for told in operation.get("parameters", [])
        )
        for path, operations in application.openapi()["paths"].items()
        for method, operation in operations.items()
        if method.upper() not in ("GET", "HEAD", "OPTIONS")
    }


def hold_every_act_takes_a_key(application: FastAPI) -> None:
    found = acts_of(application)
    assert {name for name, takes_one in found.items() if not takes_one} == NEEDS_NO_KEY


def state_of(rooms: Rooms) -> dict[str, list[Any]]:
    """Everything the index says, but for what was answered."""
    with rooms.catalog.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in metadata.sorted_tables
            if table is not answered_request
        }


def hold_people_repeat_acts_harmlessly(client: httpx.Client, rooms: Rooms) -> None:
    """Each act is asked for again, as by somebody whom the answer did not reach; nothing more happens."""

    def act(method: str, path: str, key: str, **request: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key, **request.pop("headers", {})}
        first = client.request(method, path, headers=headers, **request)
        assert first.is_success, first.text
        state = state_of(rooms)
        again = client.request(method, path, headers=headers, **request)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert state_of(rooms) == state
        return first

    made = act("POST", f"/api/v1/studies/{STUDY}/notes", "make", json=NOTE)
    note = made.headers["location"]
    uid = made.json()["key_objects"][0]["sop_instance_uid"]
    act("POST", f"/api/v1/instances/{uid}/register", "register")
    revised = {**NOTE, "description": "revised"}
    act("PUT", note, "revise", json=revised, headers={"If-Match": '"1"'})
    act("DELETE", note, "withdraw")
    act("POST", "/api/v1/scrub", "scrub")
    (copy,) = client.get("/api/v1/held").json()["items"]
    act("POST", f"/api/v1/held/{copy['id']}", "decide", json={"decision": "keep first", "text": "Sent twice"})
    reached = {"kind": "folder", "path": "/srv/out"}
    peer = act("POST", "/api/v1/peers", "add", json={"name": "Archive", "endpoints": [reached]})
    act("POST", f"{peer.headers['location']}/echo", "echo")
    wanted = {"name": "Station", "endpoint": peer.json()["endpoints"][0]["id"]}
    destination = act("POST", "/api/v1/destinations", "send there", json=wanted).headers["location"]
    act("PUT", destination, "name it", json={**wanted, "name": "Other"}, headers={"If-Match": '"1"'})
    act("DELETE", destination, "send there no more")
    changed = {"name": "Other", "endpoints": [reached]}
    act("PUT", peer.headers["location"], "change", json=changed, headers={"If-Match": '"1"'})
    act("DELETE", peer.headers["location"], "remove")


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    body, headers = multipart([as_file(image(1)), as_file(image(1, PatientComments="other"))])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 202
    return client


def test_law_6_every_act_of_the_rest_api_takes_a_key(rooms: Rooms) -> None:
    hold_every_act_takes_a_key(create_application(rooms))


def test_law_6_repeating_an_act_under_its_key_is_harmless(stored: httpx.Client, rooms: Rooms) -> None:
    hold_people_repeat_acts_harmlessly(stored, rooms)


def test_breach_of_law_6_an_act_without_a_key_is_noticed(rooms: Rooms) -> None:
    application = create_application(rooms)

    @application.post("/api/v1/studies/{study}/purge")
    def purge(study: str) -> str:
        raise NotImplementedError

    with pytest.raises(AssertionError):
        hold_every_act_takes_a_key(application)


@pytest.mark.parametrize(
    ("owner", "name", "instead"),
    [
        pytest.param(
            idempotency,
            "answer_once",
            lambda transaction, _request, act, _now: (act(transaction), True),
            id="the key is passed over",
        ),
        pytest.param(answered_requests, "_keep", lambda *_: None, id="the answer is not kept"),
        pytest.param(
            answered_requests, "LIFETIME", -answered_requests.LIFETIME, id="it is forgotten at once"
        ),
    ],
)
def test_breach_of_law_6_acts_that_are_done_again_are_noticed(
    stored: httpx.Client,
    rooms: Rooms,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    instead: Callable[..., object],
) -> None:
    monkeypatch.setattr(owner, name, instead)
    with pytest.raises(AssertionError):
        hold_people_repeat_acts_harmlessly(stored, rooms)
