"""The REST API of notes: make, read, revise, withdraw, search; what is refused names its field."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from kinote.catalog.schema.tables import key_object
from kinote.lifecycle.acts import ACTS
from kinote.web.rooms import Rooms
from tests.web.objects import INSTANCE, INSTANCES, SERIES, STUDY, as_file, image, multipart

NOTES = f"/api/v1/studies/{STUDY}/notes"


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with a CT of two images and a multi-frame ultrasound, all of one study."""
    ultrasound = image(3, frames=8, SeriesInstanceUID="1.2.3.5", SOPInstanceUID="1.2.3.5.1", SeriesNumber=2)
    body, headers = multipart([as_file(image(1)), as_file(image(2)), as_file(ultrasound)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def note(**changes: Any) -> dict[str, Any]:
    return {
        "title": {"scheme": "DCM", "value": "113000"},
        "description": "所見あり",
        "language": "ja",
        "author": {"kind": "person", "name": "Yamada^Tarou", "login": "yamada"},
        "references": [{"sop_instance_uid": INSTANCE}],
        **changes,
    }


def test_a_note_is_made_and_seen_everywhere(stored: httpx.Client) -> None:
    wanted = note(
        references=[{"sop_instance_uid": INSTANCE}, {"sop_instance_uid": "1.2.3.5.1", "frames": [3, 7]}]
    )
    made = stored.post(NOTES, json=wanted)
    assert made.status_code == 201, made.text
    body = made.json()
    assert made.headers["etag"] == '"1"'
    assert body["title"] == {"scheme": "DCM", "value": "113000", "meaning": "Of Interest"}
    assert body["author"] == {"kind": "person", "name": "Yamada^Tarou", "login": "yamada", "verified": False}
    assert [(item["sop_instance_uid"], item["frames"], item["status"]) for item in body["references"]] == [
        (INSTANCE, [], "resolved"),
        ("1.2.3.5.1", [3, 7], "resolved"),
    ]
    assert stored.get(made.headers["location"]).json() == body
    assert stored.get(NOTES).json() == {"items": [body], "next": None}
    assert stored.get(f"/api/v1/instances/{INSTANCE}/notes").json()["items"] == [body]
    assert stored.get("/api/v1/notes?text=所見&title=113000&author=yamada").json()["items"] == [
        {
            **body,
            "study": {
                "patient_id": "P1",
                "patient_name": "Doe^Jane",
                "study_date": "20261124",
                "description": "CT Thorax",
            },
        }
    ]
    (study,) = stored.get("/api/v1/studies?with_notes=true").json()["items"]
    assert study["note_count"] == 1
    (key_object,) = body["key_objects"]
    match = stored.get("/dicomweb/instances?ConceptNameCodeSequence.CodeValue=113000").json()
    assert [item["00080018"]["Value"][0] for item in match] == [key_object["sop_instance_uid"]]


def test_a_key_object_is_shown_as_a_page(stored: httpx.Client) -> None:
    made = stored.post(NOTES, json=note(description="<script>alert(1)</script>")).json()
    uid = made["key_objects"][0]["sop_instance_uid"]
    (match,) = stored.get(f"/dicomweb/instances?SOPInstanceUID={uid}").json()
    page = stored.get(match["00081190"]["Value"][0] + "/rendered", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "Of Interest" in page.text and INSTANCE in page.text
    assert "<script>" not in page.text and "&lt;script&gt;" in page.text
    assert stored.get(match["00081190"]["Value"][0] + "/rendered?accept=image/png").status_code == 406


def test_revise_and_withdraw(stored: httpx.Client) -> None:
    made = stored.post(NOTES, json=note()).json()
    address = f"/api/v1/notes/{made['id']}"
    assert stored.put(address, json=note()).status_code == 428
    changed = note(description="changed")
    assert stored.put(address, json=changed, headers={"If-Match": '"7"'}).status_code == 412
    assert stored.put(address, json=changed, headers={"If-Match": "W/x"}).status_code == 412
    revised = stored.put(address, json=changed, headers={"If-Match": '"1"'})
    assert (revised.status_code, revised.headers["etag"]) == (200, '"2"')
    assert revised.json()["description"] == "changed"
    history = stored.get(f"{address}/versions").json()["items"]
    assert [version["version"] for version in history] == [2, 1]
    assert stored.delete(f"{address}?reason=gone", headers={"If-Match": '"1"'}).status_code == 412
    withdrawn = stored.delete(f"{address}?reason=gone", headers={"If-Match": '"2"'})
    assert withdrawn.json()["standing"] == "withdrawn"
    assert stored.get(NOTES).json()["items"] == []
    assert stored.delete(address).status_code == 409
    uid = made["key_objects"][0]["sop_instance_uid"]
    assert stored.get(f"/dicomweb/instances?SOPInstanceUID={uid}").json() == []
    headers = stored.get(f"/dicomweb/studies/{STUDY}/metadata").json()
    assert uid not in [header["00080018"]["Value"][0] for header in headers]
    (copy,) = stored.get(f"/api/v1/instances/{uid}/explain").json()["items"]
    assert copy["standing"] == "withdrawn" and copy["visible"] is False
    kinds = [item["kind"] for item in stored.get("/api/v1/changes").json()["items"]]
    assert {"instance stored", "note made", "note revised", "note withdrawn"} <= set(kinds)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (note(titel={}), ["titel"]),
        (note(references=[{"sop_instance_uid": INSTANCE, "frame": [1]}]), ["references[0].frame"]),
        (note(references=[{"sop_instance_uid": INSTANCE, "frames": ["1"]}]), ["references[0].frames[0]"]),
        (note(references=[{"sop_instance_uid": "1.9"}]), ["references[0].sop_instance_uid"]),
        (
            note(
                references=[{"sop_instance_uid": INSTANCE}, {"sop_instance_uid": "1.2.3.5.1", "frames": [9]}]
            ),
            ["references[1].frames"],
        ),
        (note(title={"scheme": "DCM", "value": "113001"}), ["title"]),
        (note(title={"scheme": "DCM", "value": "113030"}), ["title"]),
        (note(title={"scheme": "DCM", "value": "113013"}), ["modifiers"]),
        (note(author={"kind": "ghost"}), ["author.kind"]),
        ({"references": []}, ["title"]),
    ],
)
def test_what_is_refused_names_its_field(
    stored: httpx.Client, body: dict[str, Any], fields: list[str]
) -> None:
    response = stored.post(NOTES, json=body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert [error["field"] for error in problem["errors"]] == fields
    assert all(error["message"] for error in problem["errors"])
    assert stored.get(NOTES).json()["items"] == []


def test_malformed_bodies(stored: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert stored.post(NOTES, content=b"{", headers=headers).status_code == 400
    assert stored.post(NOTES, content=b"x" * (17 * 1024 * 1024), headers=headers).status_code == 413
    assert stored.get("/api/v1/notes/999").status_code == 404
    assert stored.get("/api/v1/notes/x").status_code == 422
    assert stored.get("/api/v1/notes?cursor=x").status_code == 422


def test_unchanged_notes_are_not_sent_again(stored: httpx.Client) -> None:
    stored.post(NOTES, json=note())
    first = stored.get(f"{NOTES}?all=true")
    again = stored.get(f"{NOTES}?all=true", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_search_pages(stored: httpx.Client) -> None:
    for number in range(5):
        stored.post(NOTES, json=note(description=f"note {number}"))
    seen: list[str] = []
    cursor = ""
    while True:
        page = stored.get(f"/api/v1/notes?limit=2&cursor={cursor}").json()
        seen += [item["description"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"note {number}" for number in (4, 3, 2, 1, 0)]


def test_the_study_page_and_its_account(stored: httpx.Client) -> None:
    stored.post(NOTES, json=note())
    study = stored.get(f"/api/v1/studies/{STUDY}").json()
    assert study["patient_name"] == "Doe^Jane"
    assert (study["instance_count"], study["series_count"]) == (4, 3)
    # Without the document that the note made.
    assert (study["image_count"], study["image_series_count"]) == (3, 2)
    # The first image received: the objects of one request are synced side by side and come in any order.
    assert study["thumbnail"]["series_instance_uid"] in {SERIES, "1.2.3.5"}
    first, second = study["series"][:2]
    assert [item["number"] for item in first["instances"]] == [1, 2]
    assert second["instances"][0]["frames"] == 8 and second["instances"][0]["is_image"]
    account = stored.get(f"/api/v1/studies/{STUDY}/account").json()
    assert account["counts_agree"] and account["by_standing"]["live"]["count"] == 4
    assert stored.get("/api/v1/studies/1.9").status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1),
        ("text=jane", 1),
        ("text=JA tho", 1),
        ("text=ane", 0),
        ("patient=P1", 1),
        ("patient=P", 0),
        ("modality=US", 1),
        ("modality=MR", 0),
        ("from=2026-11-24&to=20261124", 1),
        ("to=2026-11-23", 0),
        ("with_notes=true", 0),
        ("title=113000", 0),
    ],
)
def test_study_list_filters(stored: httpx.Client, query: str, count: int) -> None:
    assert len(stored.get(f"/api/v1/studies?{query}").json()["items"]) == count


def test_study_pages(client: httpx.Client) -> None:
    files = [
        as_file(
            image(
                1,
                StudyInstanceUID=f"1.4.{day}",
                SeriesInstanceUID=f"1.4.{day}.1",
                SOPInstanceUID=f"1.4.{day}.1.1",
                StudyDate=f"202601{day}",
            )
        )
        for day in (11, 12, 13, 13 + 1)
    ]
    body, headers = multipart(files)
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    first = client.get("/api/v1/studies?limit=3").json()
    assert [item["study_date"][-2:] for item in first["items"]] == ["14", "13", "12"]
    second = client.get(f"/api/v1/studies?limit=3&cursor={first['next']}").json()
    assert [item["study_date"][-2:] for item in second["items"]] == ["11"]
    assert second["next"] is None


def test_titles(client: httpx.Client) -> None:
    items = {item["value"]: item for item in client.get("/api/v1/titles").json()["items"]}
    assert items["113000"]["can_be_made"] and items["113000"]["hot_key"]
    assert not items["113001"]["can_be_made"] and items["113001"]["group"] == "rejection"
    assert items["113013"]["modifiers"]["mandatory"] and items["113013"]["modifiers"]["items"]


def test_acts(client: httpx.Client) -> None:
    page = client.get("/api/v1/acts").json()
    assert page["next"] is None
    assert [item["name"] for item in page["items"]] == [act.name for act in ACTS]
    assert next(item for item in page["items"] if item["name"] == "safety") == {
        "name": "safety",
        "sentence": "Using it could harm the patient.",
        "reason": (
            safety := {
                "scheme": "DCM",
                "value": "113037",
                "meaning": "Rejected for Patient Safety Reasons",
            }
        ),
        "rejection_title": safety,
        "later_copies": "refused",
        "undo_window": 0,
        "may_be_shown": False,
    }
    assert page["items"][-1]["rejection_title"] is None


def test_held_copies_are_listed_and_downloaded(stored: httpx.Client) -> None:
    other = as_file(image(1, PatientComments="other"))
    outcome = stored.post(
        "/api/v1/objects", content=other, headers={"Content-Type": "application/dicom"}
    ).json()
    assert outcome["kind"] == "held"
    (copy,) = stored.get("/api/v1/held").json()["items"]
    assert copy["sop_instance_uid"] == INSTANCE
    assert stored.get(f"/api/v1/held/{copy['id']}/file").content.endswith(other[-600:])
    assert stored.get("/api/v1/held/99/file").status_code == 404
    assert len(stored.get(INSTANCES).json()) == 2
    assert stored.post(f"/api/v1/held/{copy['id']}", json={"decision": "keep"}).status_code == 422
    assert (
        stored.post(
            f"/api/v1/held/{copy['id']}", json={"decision": "keep first", "text": "Sent twice"}
        ).status_code
        == 200
    )
    assert stored.get("/api/v1/held").json()["items"] == []
    assert (
        stored.post(
            f"/api/v1/held/{copy['id']}", json={"decision": "keep first", "text": "Sent twice"}
        ).status_code
        == 404
    )
    live = stored.get(f"{INSTANCES}/{INSTANCE}", headers={"Accept": "application/dicom"})
    assert live.content.endswith(as_file(image(1))[-600:])
    again = stored.post(
        "/api/v1/objects", content=other, headers={"Content-Type": "application/dicom"}
    ).json()
    assert again["kind"] == "held"


def test_a_key_object_is_registered_again(stored: httpx.Client, rooms: Rooms) -> None:
    made = stored.post(NOTES, json=note()).json()
    uid = made["key_objects"][0]["sop_instance_uid"]
    address = f"/api/v1/instances/{uid}/register"
    assert stored.post(address).json()["registration"] == "registered"

    def forget(transaction: Connection) -> None:
        """As an earlier version would have left a document it could not read."""
        transaction.execute(
            key_object.update().values(registration="unreadable", version=None, unreadable_in_study=STUDY)
        )

    rooms.catalog.write(forget)
    (placeholder,) = stored.get(NOTES).json()["items"]
    assert placeholder["title"] is None
    assert stored.post(address).json()["registration"] == "registered"
    (again,) = stored.get(NOTES).json()["items"]
    assert again["references"] == made["references"]
    assert stored.post(f"/api/v1/instances/{INSTANCE}/register").status_code == 409
    assert stored.post("/api/v1/instances/1.9/register").status_code == 404


def test_the_description_of_the_api(client: httpx.Client) -> None:
    described = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/studies/{study}/notes" in described["paths"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} says nothing"


TOO_LARGE = 10**30
HALF_A_CHARACTER = r'["\ud800", 1]'


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "resource",
    [
        f"notes/{TOO_LARGE}",
        f"notes/{TOO_LARGE}/versions",
        f"notes/{TOO_LARGE}/rendered",
        f"notes/{-TOO_LARGE}",
        f"held/{TOO_LARGE}/file",
        f"studies?cursor={cursor(json.dumps(['20260101', TOO_LARGE]))}",
        f"held?cursor={cursor(json.dumps([TOO_LARGE]))}",
        f"findings?cursor={cursor(json.dumps([TOO_LARGE]))}",
        f"notes?cursor={cursor(json.dumps([TOO_LARGE]))}",
        f"notes?cursor={cursor(json.dumps(['1']))}",
        "notes?cursor=nonsense",
        "notes?cursor=%C3%A9",
        f"studies?cursor={cursor(HALF_A_CHARACTER)}",
        f"held?cursor={cursor('[' * 20_000)}",
        "notes?since=yesterday",
        "notes?since=2026-13-01",
        "notes?origin=elsewhere",
    ],
)
def test_what_no_number_cursor_moment_or_origin_can_be_is_refused(
    client: httpx.Client, resource: str
) -> None:
    response = client.get(f"/api/v1/{resource}")
    assert response.status_code == 422, response.text
    assert response.json()["errors"]


def test_if_match_with_a_star_names_no_version(stored: httpx.Client) -> None:
    address = f"/api/v1/notes/{stored.post(NOTES, json=note()).json()['id']}"
    assert stored.put(address, json=note(), headers={"If-Match": "*"}).status_code == 428
    assert stored.delete(address, headers={"If-Match": "*"}).json()["standing"] == "withdrawn"


@pytest.mark.parametrize(
    "resource", ["studies", f"studies/{STUDY}", f"studies/{STUDY}/notes", "notes", "changes"]
)
def test_whatever_can_be_read_can_be_asked_about(stored: httpx.Client, resource: str) -> None:
    whole, head = stored.get(f"/api/v1/{resource}"), stored.head(f"/api/v1/{resource}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


def test_a_field_that_only_answers_have_is_refused_with_what_to_do(stored: httpx.Client) -> None:
    asked = note()
    asked["references"][0]["status"] = "resolved"
    answer = stored.post(NOTES, json=asked)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "references[0].status"
    assert error["message"].endswith("leave it out.")
