"""Received rejections over HTTP: listed, looked at, decided once."""

from __future__ import annotations

import csv
import io

import httpx

from kinote.web.application import Rooms
from tests.lifecycle.rejected import STRANGER, image, receive, rejection
from tests.notes.sample_studies import FIRST, IMAGE, IMAGE_2

NOTE = "1.2.1.80.1"


def propose(rooms: Rooms, note: str = NOTE) -> None:
    receive(rooms.catalog, image(IMAGE), rejection(note, IMAGE, IMAGE_2), by=STRANGER)


def test_a_rejection_is_listed_accepted_and_answered_alike_when_it_is_asked_again(
    client: httpx.Client, rooms: Rooms
) -> None:
    propose(rooms)
    (listed,) = client.get("/api/v1/rejections").json()["items"]
    assert (listed["state"], listed["by"]["name"], listed["title"]["value"]) == (
        "waiting",
        "STRANGER",
        "113001",
    )
    address = f"/api/v1/rejections/{listed['id']}"
    shown = client.get(address).json()
    assert (shown["instances"], shown["spared"], shown["next"]) == (2, 0, None)
    assert shown["items"] == [
        {"sop_instance_uid": IMAGE, "standing": "live", "spared": ""},
        {"sop_instance_uid": IMAGE_2, "standing": None, "spared": ""},
    ]
    body, headers = {"decision": "accept", "reason": "It is so"}, {"Idempotency-Key": "once"}
    first = client.post(address, json=body, headers=headers)
    assert (first.status_code, first.json()["state"]) == (200, "in force")
    assert client.post(address, json=body, headers=headers).json() == first.json()
    again = client.post(address, json=body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:kinote:problem:conflict")
    assert client.get("/api/v1/rejections").json() == {"items": [], "next": None}
    uids = [
        each["00080018"]["Value"][0] for each in client.get(f"/dicomweb/studies/{FIRST}/instances").json()
    ]
    assert uids == [NOTE]


def test_a_rejection_is_refused(client: httpx.Client, rooms: Rooms) -> None:
    propose(rooms)
    (listed,) = client.get("/api/v1/rejections").json()["items"]
    refused = client.post(
        f"/api/v1/rejections/{listed['id']}", json={"decision": "refuse", "reason": "It is not"}
    )
    assert (refused.json()["state"], refused.json()["decided_because"]) == ("refused", "It is not")
    (found,) = client.get("/api/v1/rejections?state=all").json()["items"]
    assert found["state"] == "refused"


def test_what_waits_is_no_withdrawal_and_is_not_undone_but_decided(
    client: httpx.Client, rooms: Rooms
) -> None:
    propose(rooms)
    address = "/api/v1/withdrawals/1"
    assert client.get("/api/v1/withdrawals").json()["items"] == []
    assert len(client.get("/api/v1/withdrawals?csv=true").text.splitlines()) == 1
    shown = client.get(address).json()
    assert (shown["effect"], shown["received"], shown["can_be_undone"]) == ("proposed", True, False)
    refused = client.delete(address)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kinote:problem:not-undoable")
    assert "under rejections" in refused.json()["detail"]
    assert client.get("/api/v1/rejections/1").json()["state"] == "waiting"
    client.post("/api/v1/rejections/1", json={"decision": "accept", "reason": "It is so"})
    (listed,) = client.get("/api/v1/withdrawals").json()["items"]
    assert (listed["effect"], listed["received"], listed["can_be_undone"]) == ("hidden", True, True)
    (line,) = csv.DictReader(io.StringIO(client.get("/api/v1/withdrawals?csv=true").text))
    assert (line["effect"], line["received"]) == ("hidden", "yes")
    assert client.delete(address).json()["state"] == "undone"


def test_pages_and_what_is_not_there(client: httpx.Client, rooms: Rooms) -> None:
    propose(rooms)
    propose(rooms, "1.2.1.80.2")
    page = client.get("/api/v1/rejections?limit=1").json()
    rest = client.get("/api/v1/rejections", params={"limit": 1, "cursor": page["next"]}).json()
    assert [each["rejection_note_uid"] for each in (*page["items"], *rest["items"])] == [NOTE, "1.2.1.80.2"]
    assert rest["next"] is None
    first = client.get("/api/v1/rejections/1?limit=1").json()
    second = client.get("/api/v1/rejections/1", params={"limit": 1, "cursor": first["next"]}).json()
    named = [each["sop_instance_uid"] for each in (*first["items"], *second["items"])]
    assert (named, second["next"]) == ([IMAGE, IMAGE_2], None)
    assert client.get("/api/v1/rejections/999").status_code == 404
    asked = {"decision": "accept", "reason": ""}
    assert client.post("/api/v1/rejections/1", json=asked).status_code == 422
