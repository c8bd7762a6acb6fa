"""Who acts over HTTP is found out from the request, and stored with what was done."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select, update

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import answered_request, withdrawal
from kinote.security.actors import COMMAND, Actor, ActorKind
from kinote.web.rooms import Rooms
from tests.web.objects import INSTANCE, STUDY, as_file, image, multipart

NOTES = f"/api/v1/studies/{STUDY}/notes"
NOTE = {
    "title": {"scheme": "DCM", "value": "113000"},
    "author": {"name": "Doe^Jane"},
    "references": [{"sop_instance_uid": INSTANCE}],
}

NAME = "山田^太郎\u3000様"
NAMED = {"Kinote-Actor": quote(NAME)}


def brought(rooms: Rooms) -> dict[str, tuple[str, Actor | None]]:
    """By which interface, and by whom, each live instance has come."""
    columns = live_instance.c
    with rooms.catalog.read() as connection:
        return {
            row.sop_instance_uid: (
                row.received_from,
                Actor.stored(row.brought_by_kind, row.brought_by_name, row.brought_by_address),
            )
            for row in connection.execute(
                select(
                    columns.sop_instance_uid,
                    columns.received_from,
                    columns.brought_by_kind,
                    columns.brought_by_name,
                    columns.brought_by_address,
                )
            )
        }


def withdrawn(rooms: Rooms) -> list[tuple[str, Actor | None]]:
    with rooms.catalog.read() as connection:
        rows = connection.execute(select(withdrawal).order_by(withdrawal.c.id)).all()
    return [(row.act, Actor.stored(row.who_kind, row.who, row.who_address)) for row in rows]


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    body, headers = multipart([as_file(image(1))])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def test_an_object_keeps_by_which_interface_it_came_and_from_whom(client: httpx.Client, rooms: Rooms) -> None:
    body, headers = multipart([as_file(image(1))])
    client.post("/dicomweb/studies", content=body, headers={**headers, **NAMED})
    client.post(
        "/api/v1/objects",
        content=as_file(image(2)),
        headers={"Content-Type": "application/dicom", "User-Agent": COMMAND, "Kinote-Actor": "root"},
    )
    found = list(brought(rooms).values())
    assert found == [
        ("STOW-RS", Actor(ActorKind.PERSON, NAME, "127.0.0.1")),
        ("API", Actor(ActorKind.SYSTEM, f"{COMMAND}/root", "127.0.0.1")),
    ]
    (copy,) = client.get(f"/api/v1/instances/{INSTANCE}/explain").json()["items"]
    assert copy["received_from"] == f"STOW-RS {NAME}"
    assert copy["brought_by"] == {"kind": "person", "name": NAME, "address": "127.0.0.1"}


@pytest.mark.parametrize(("headers", "name"), [({}, "Doe^Jane"), (NAMED, NAME)])
def test_a_note_is_made_by_its_author_unless_the_request_names_somebody_else(
    stored: httpx.Client, rooms: Rooms, headers: dict[str, str], name: str
) -> None:
    made = stored.post(NOTES, json=NOTE, headers=headers)
    (carrier,) = made.json()["key_objects"]
    by = Actor(ActorKind.PERSON, name, "127.0.0.1")
    assert brought(rooms)[carrier["sop_instance_uid"]] == ("kinote", by)
    stored.put(made.headers["location"], json=NOTE, headers={**headers, "If-Match": '"1"'})
    assert withdrawn(rooms) == [("revised", by)]


@pytest.mark.parametrize(
    ("headers", "act", "name"),
    [
        ({}, "note withdrawn", ""),
        (NAMED, "note withdrawn", NAME),
        ({"Kinote-Actor": "Doe%5EJane"}, "withdrawn by author", "Doe^Jane"),
    ],
)
def test_who_withdraws_a_note_is_the_actor_and_no_parameter(
    stored: httpx.Client, rooms: Rooms, headers: dict[str, str], act: str, name: str
) -> None:
    made = stored.post(NOTES, json=NOTE)
    (carrier,) = made.json()["key_objects"]
    assert stored.delete(f"{made.headers['location']}?reason=x&who=Ignored", headers=headers).is_success
    by = Actor(ActorKind.PERSON, name, "127.0.0.1")
    assert withdrawn(rooms) == [(act, by)]
    (copy,) = stored.get(f"/api/v1/instances/{carrier['sop_instance_uid']}/explain").json()["items"]
    (explained,) = copy["withdrawals"]
    assert explained["by"] == {"kind": "person", "name": name, "address": "127.0.0.1"}
    assert explained["undone_by"] is None
    assert any(sentence.startswith(f"Withdrawn by {by} at ") for sentence in copy["sentences"])


@pytest.mark.parametrize(
    "written",
    ["%FF", "a%0Ab", "a%00b", "a" * 195, quote("é" * 195)],
    ids=["bytes", "line", "nul", "long", "é"],
)
def test_a_malformed_name_is_refused(client: httpx.Client, written: str) -> None:
    for path in ("/healthz", "/api/v1/notes", "/dicomweb/studies", "/"):
        answer = client.get(path, headers={"Kinote-Actor": written})
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith("Kinote-Actor: ")


@pytest.mark.parametrize("written", ["a^b^c^d^e^f", "a=b=c=d", "a" * 100, "a%5Cb"])
def test_a_name_that_is_no_person_name_is_refused_with_its_field(stored: httpx.Client, written: str) -> None:
    """Else the document that says who has withdrawn the note would be the first to object."""
    made = stored.post(NOTES, json=NOTE)
    answer = stored.delete(f"{made.headers['location']}?reason=x", headers={"Kinote-Actor": written})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["Kinote-Actor"]


def notes(client: httpx.Client) -> list[Any]:
    items: list[Any] = client.get(NOTES).json()["items"]
    return items


def test_keys_of_two_persons_are_two_keys(stored: httpx.Client, rooms: Rooms) -> None:
    key = {"Idempotency-Key": "once"}
    for headers in (key, key, {**key, **NAMED}, {**key, **NAMED}):
        assert stored.post(NOTES, json=NOTE, headers=headers).status_code == 201
    assert len(notes(stored)) == 2
    with rooms.catalog.read() as connection:
        actors = set(connection.execute(select(answered_request.c.actor)).scalars())
    assert actors == {"person\t\t", f"person\t{NAME}\t"}


def test_what_an_earlier_version_answered_is_not_done_again(stored: httpx.Client, rooms: Rooms) -> None:
    key = {"Idempotency-Key": "before the update", **NAMED}
    first = stored.post(NOTES, json=NOTE, headers=key)
    rooms.catalog.write(lambda transaction: transaction.execute(update(answered_request).values(actor="")))
    again = stored.post(NOTES, json=NOTE, headers=key)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert len(notes(stored)) == 1
