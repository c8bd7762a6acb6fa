"""Withdrawals over HTTP: what is withdrawn, listed, exported and undone; what is refused; who was given what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import delivery, instance
from kinote.delivery.ledger import Ledger
from kinote.notes.acts.undo_windows import close_window
from kinote.peers.known import PeersInUse
from kinote.web.application import create_application
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.peers.known import known
from tests.web.conftest import running
from tests.web.objects import INSTANCE, INSTANCES, SERIES, STUDY, as_file, image, multipart

WITHDRAWALS = "/api/v1/withdrawals"
OTHER_SERIES = "1.2.3.5"
NOT_HERE = "1.2.3.4.99"

#: The first instance that is stored, by the number of its row.
COPY = {"sop_instance_uid": INSTANCE, "copy": 1}


@pytest.fixture
def rooms(rooms: Rooms) -> Rooms:
    """With an undo window."""
    return replace(rooms, options=replace(rooms.options, undo_window=timedelta(minutes=10)))


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with a study of two series, of two images and one."""
    other = image(3, SeriesInstanceUID=OTHER_SERIES, SOPInstanceUID="1.2.3.5.1")
    body, headers = multipart([as_file(image(1)), as_file(image(2)), as_file(other)])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def live(client: httpx.Client) -> set[str]:
    found = client.get("/dicomweb/instances")
    return {each["00080018"]["Value"][0] for each in found.json()} if found.status_code == 200 else set()


def asked(act: str = "quality", **named: Any) -> dict[str, Any]:
    return {"act": act, **named}


def made(client: httpx.Client, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = client.post(WITHDRAWALS, json=body, headers={"Kinote-Actor": "roe"}, **options)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{WITHDRAWALS}/{found['id']}"
    return found


def test_a_series_is_withdrawn_and_taken_back(stored: httpx.Client) -> None:
    everything = live(stored)
    found = made(stored, asked(series=[SERIES], instances=[NOT_HERE], text="blurred"))
    assert (found["instances"], found["withdrawn"], found["not_here"]) == (3, 2, 1)
    (study,) = found["studies"]
    assert (study["patient_name"], study["series"], study["instances"]) == ("Doe^Jane", 1, 2)
    assert (found["state"], found["can_be_undone"], found["by"]["name"]) == ("open", True, "roe")
    assert live(stored) == {"1.2.3.5.1"}
    shown = stored.get(f"{WITHDRAWALS}/{found['id']}").json()
    assert shown["sop_instance_uids"] == sorted([INSTANCE, f"{SERIES}.2", NOT_HERE])
    assert (shown["rejection_notes"], shown["owed"]) == ([], [])
    undone = stored.delete(f"{WITHDRAWALS}/{found['id']}", headers={"Kinote-Actor": "doe"})
    assert undone.status_code == 200
    assert (undone.json()["state"], undone.json()["undone_by"]["name"]) == ("undone", "doe")
    assert live(stored) == everything
    assert stored.delete(f"{WITHDRAWALS}/{found['id']}").json() == undone.json()
    assert stored.delete(f"{WITHDRAWALS}/999").status_code == 404


def test_a_withdrawal_by_one_key_is_made_once(stored: httpx.Client) -> None:
    first, second = (
        stored.post(WITHDRAWALS, json=asked(studies=[STUDY]), headers={"Idempotency-Key": "once"})
        for _ in range(2)
    )
    assert first.json() == second.json()
    assert len(stored.get(WITHDRAWALS).json()["items"]) == 1
    assert live(stored) == set()


def test_a_preview_changes_nothing(stored: httpx.Client) -> None:
    before = live(stored)
    seen = stored.post(f"{WITHDRAWALS}?preview=true", json=asked("safety", studies=[STUDY]))
    assert seen.status_code == 200
    found = seen.json()
    assert (found["withdrawn"], found["text_required"], found["undo_window"]) == (3, True, 0)
    assert [(each["patient_name"], each["patient_id"]) for each in found["studies"]] == [("Doe^Jane", "P1")]
    assert (live(stored), stored.get(WITHDRAWALS).json()["items"]) == (before, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (asked("safety", studies=[STUDY]), "text"),
        (asked("wrong patient", series=[SERIES], text="  "), "text"),
        (asked("wrong order", studies=[STUDY]), "text"),
        (asked(), "instances"),
        (asked("revised", instances=[INSTANCE]), "act"),
        (asked("abducted", instances=[INSTANCE]), "act"),
        (asked(instances=[INSTANCE], reason={"value": "113000"}), "reason"),
        (asked(studies=[STUDY, "1.9"]), "studies[1]"),
        (asked(series=["1.9"]), "series[0]"),
        (asked(instances=[INSTANCE, "no uid"]), "instances[1]"),
        (asked(instances=[COPY | {"copy": 99}]), "instances"),
        (asked("other copy chosen", instances=[COPY, INSTANCE[:-1] + "2"]), "instances[1]"),
        (asked("other copy chosen", studies=[STUDY]), "studies"),
        (asked("other copy chosen", series=[SERIES], instances=[COPY]), "series"),
        (asked(instances=[INSTANCE, NOT_HERE, INSTANCE]), "instances[2]"),
        (asked(instances=[INSTANCE, COPY]), "instances[1]"),
        (asked(instances=[COPY, COPY | {"copy": 2}]), "instances[1]"),
        (asked(series=[SERIES, SERIES]), "series[1]"),
        (asked(series=[SERIES], instances=[COPY]), "instances"),
    ],
    ids=lambda case: case if isinstance(case, str) else case["act"],
)
def test_what_is_refused_names_its_field(stored: httpx.Client, body: dict[str, Any], field: str) -> None:
    before = live(stored)
    answer = stored.post(WITHDRAWALS, json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert live(stored) == before


def test_single_instances_need_no_text_and_may_have_another_reason(stored: httpx.Client) -> None:
    found = made(stored, asked("safety", instances=[INSTANCE], reason={"value": "113001"}))
    assert found["reason"]["value"] == "113001"
    assert (found["state"], found["can_be_undone"]) == ("closed", False)
    refused = stored.delete(f"{WITHDRAWALS}/{found['id']}")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kinote:problem:not-undoable")
    assert "new UIDs" in refused.json()["detail"]
    (note,) = stored.get(f"{WITHDRAWALS}/{found['id']}").json()["rejection_notes"]
    assert note["sop_instance_uid"] in live(stored)


def test_of_a_single_copy_nobody_is_told(stored: httpx.Client, rooms: Rooms) -> None:
    """A rejection note names UIDs: it would reject the other copies, too."""
    with rooms.catalog.read() as connection:
        key = connection.execute(
            select(instance.c.id).where(instance.c.sop_instance_uid == INSTANCE)
        ).scalar_one()
    copy = {"sop_instance_uid": INSTANCE, "copy": key}
    found = made(stored, asked("other copy chosen", instances=[copy]))
    assert (found["withdrawn"], INSTANCE in live(stored)) == (1, False)
    rooms.catalog.write(lambda tx: close_window(tx, found["id"], now=datetime.now(UTC)))
    assert live(stored) == {f"{SERIES}.2", "1.2.3.5.1"}
    assert stored.delete(f"{WITHDRAWALS}/{found['id']}").status_code == 200
    assert INSTANCE in live(stored)


def test_what_was_removed_is_listed_and_exported(stored: httpx.Client) -> None:
    first = made(stored, asked(instances=[INSTANCE], text="=Blurred, by far"))
    second = made(stored, asked("wrong order", instances=[f"{SERIES}.2", NOT_HERE]))
    third = made(stored, asked("retention expired", instances=["1.9.9.9"]))
    listed = stored.get(WITHDRAWALS).json()["items"]
    assert [each["id"] for each in listed] == [third["id"], second["id"], first["id"]]
    page = stored.get(f"{WITHDRAWALS}?limit=2").json()
    rest = stored.get(f"{WITHDRAWALS}?limit=2&cursor={page['next']}").json()
    assert [*page["items"], *rest["items"]] == listed
    assert rest["next"] is None
    for query, ought in (
        ("act=wrong%20order", [second["id"]]),
        ("text=bLURRED", [first["id"]]),
        ("who=RO", [third["id"], second["id"], first["id"]]),
        ("who=nobody", []),
        (f"until={first['made_at'].replace('+', '%2B')}", []),
        (f"since={third['made_at'].replace('+', '%2B')}", [third["id"]]),
    ):
        found = [each["id"] for each in stored.get(f"{WITHDRAWALS}?{query}").json()["items"]]
        assert found == ought, query
    assert stored.get(f"{WITHDRAWALS}?since=yesterday").status_code == 422
    by_header = stored.get(WITHDRAWALS, headers={"Accept": "text/csv"})
    assert by_header.headers["content-type"].startswith("text/csv")
    assert by_header.content == stored.get(f"{WITHDRAWALS}?csv=true").content
    rows = list(csv.DictReader(io.StringIO(by_header.text)))
    assert [(row["withdrawal"], row["act"], row["patient_name"], row["instances"]) for row in rows] == [
        (str(third["id"]), "retention expired", "", "1"),
        (str(second["id"]), "wrong order", "Doe^Jane", "1"),
        (str(first["id"]), "quality", "Doe^Jane", "1"),
    ]
    assert rows[2]["text"] == "'=Blurred, by far", "a spreadsheet must not take it for a formula"


def test_what_was_purged_is_counted_and_where_all_was_nothing_is_undone(
    stored: httpx.Client, rooms: Rooms
) -> None:
    one_of_two = made(stored, asked(instances=[INSTANCE, f"{SERIES}.2"]))["id"]
    everything = made(stored, asked(instances=["1.2.3.5.1"]))["id"]
    purged = instance.c.sop_instance_uid.in_([INSTANCE, "1.2.3.5.1"])
    values = {"standing": "purged", "residence": "none", "file_key": None}
    rooms.catalog.write(lambda tx: tx.execute(instance.update().where(purged).values(**values)))
    undone = stored.delete(f"{WITHDRAWALS}/{one_of_two}").json()
    assert (undone["state"], undone["purged"]) == ("undone", 1)
    assert undone["purged_sentence"] == "1 were purged; they come back only if they are sent again."
    assert live(stored) == {f"{SERIES}.2"}
    refused = stored.delete(f"{WITHDRAWALS}/{everything}")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kinote:problem:not-undoable")
    assert "sent again" in refused.json()["detail"]
    shown = stored.get(f"{WITHDRAWALS}/{everything}").json()
    assert (shown["state"], shown["purged"], shown["can_be_undone"]) == ("open", 1, False)


def test_a_note_is_withdrawn_by_a_withdrawal_that_can_be_undone(stored: httpx.Client) -> None:
    body = {
        "title": {"scheme": "DCM", "value": "113000"},
        "references": [{"sop_instance_uid": INSTANCE}],
    }
    note = stored.post(f"/api/v1/studies/{STUDY}/notes", json=body).json()
    gone = stored.delete(f"/api/v1/notes/{note['id']}?reason=wrong").json()
    assert (gone["standing"], gone["withdrawal"]["state"]) == ("withdrawn", "open")
    notes = f"/api/v1/studies/{STUDY}/notes?all=true"
    assert stored.get(notes).json()["items"] == []
    assert stored.delete(f"{WITHDRAWALS}/{gone['withdrawal']['id']}").status_code == 200
    assert stored.get(notes).json()["items"] == [note]


def test_the_acts_tell_the_windows_of_this_server(stored: httpx.Client) -> None:
    windows = {each["name"]: each["undo_window"] for each in stored.get("/api/v1/acts").json()["items"]}
    assert (windows["quality"], windows["safety"], windows["rejection undone"]) == (600, 0, 0)


# --- who was given what ---


@pytest.fixture
def ledger(rooms: Rooms) -> Ledger:
    return Ledger(rooms.catalog, clock)


@pytest.fixture
def telling(rooms: Rooms, ledger: Ledger) -> Iterator[tuple[Rooms, httpx.Client]]:
    """A server that knows a peer at this address, with the study."""
    from kinote.dimse.entity import ApplicationEntity

    peers = PeersInUse.only(known(ApplicationEntity("PACS", "127.0.0.1", 104)))
    knowing = replace(rooms, record_for=ledger.record_for, peers=peers)
    with (
        running(create_application(knowing)) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        body, headers = multipart([as_file(image(1)), as_file(image(2))])
        assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
        yield knowing, client


def standing(rooms: Rooms) -> dict[tuple[str, int, str], str]:
    with rooms.catalog.read() as connection:
        rows = connection.execute(select(delivery)).all()
    return {(row.sop_instance_uid, row.peer, row.address): row.state for row in rows}


def test_what_a_peer_retrieves_is_recorded_and_what_others_see_is_not(
    telling: tuple[Rooms, httpx.Client], ledger: Ledger
) -> None:
    rooms, client = telling
    (peer,) = rooms.peers.known.by_name.values()
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    assert client.get(f"{INSTANCES}/{INSTANCE}", headers={**accept, "Kinote-Actor": "roe"}).status_code == 200
    assert client.get(f"{INSTANCES}/{INSTANCE}/metadata").status_code == 200
    ledger.write()
    assert standing(rooms) == {}
    assert client.get(f"/dicomweb/studies/{STUDY}").status_code == 200
    key = made(client, asked(instances=[INSTANCE]))["id"]
    # Handed out before, and written only now: the withdrawal has not seen it.
    ledger.write()
    found = standing(rooms)
    assert found.pop((INSTANCE, peer.id, "")) == found.pop((f"{SERIES}.2", peer.id, "")) == "given"
    assert list(found.values()) == ["owed"]
    (shown,) = client.get(f"{WITHDRAWALS}/{key}").json()["owed"]
    assert (shown["what"], shown["state"], shown["objects"]) == ("rejection note", "owed", 1)
    rooms.catalog.write(lambda tx: close_window(tx, key, now=datetime.now(UTC)))
    assert client.get(f"/dicomweb/studies/{STUDY}").status_code == 200
    ledger.write()
    (shown,) = client.get(f"{WITHDRAWALS}/{key}").json()["owed"]
    assert shown["state"] == "given", "a pull counts as having told it"


def test_what_is_sent_is_recorded(telling: tuple[Rooms, httpx.Client]) -> None:
    rooms, client = telling
    (peer,) = rooms.peers.known.by_name.values()
    for to in ("PACS@127.0.0.1:104", "OTHER@10.0.0.9:104"):
        body = {"to": to, "objects": [{"sop_instance_uid": INSTANCE, "state": "given", "answer": "0000H"}]}
        assert client.post("/api/v1/handed-out", json=body).json()["recorded"] == 1
    assert standing(rooms) == {
        (INSTANCE, peer.id, ""): "given",
        (INSTANCE, 0, "OTHER@10.0.0.9:104"): "given",
    }
    assert client.post("/api/v1/handed-out", json={"to": "nowhere", "objects": []}).status_code == 422
