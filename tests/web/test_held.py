"""Held copies: listed, compared, shown and decided, by object, series or study."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from kinote.delivery.ledger import Ledger
from kinote.lifecycle.copies.proposed_corrections import ProposingCopy, propose
from kinote.lifecycle.owed.receivers import Given, Receiver, State
from kinote.web.application import create_application
from kinote.web.rooms import Rooms
from tests.actors import ORIGIN
from tests.clock import clock
from tests.intake.objects import image
from tests.web.conftest import running

WHY = "The modality has sent it twice"


@pytest.fixture
def copies(client: httpx.Client, rooms: Rooms) -> None:
    """Three copies are held, in two studies; the first has two series."""
    places = (("1.2.3", "1.2.3.4"), ("1.2.3", "1.2.3.5"), ("1.2.9", "1.2.9.1"))
    for number, (study, series) in enumerate(places, 1):
        for comments in ("first", "other"):
            receive(rooms, number, StudyInstanceUID=study, SeriesInstanceUID=series, PatientComments=comments)


def receive(rooms: Rooms, number: int, **attributes: Any) -> None:
    upload = rooms.receiver.open(ORIGIN)
    described: dict[str, Any] = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": 0,
    }
    upload.write(image(number, **described, BitsStored=16, HighBit=15, **attributes))
    upload.finish().result(60)


def listed(client: httpx.Client, **parameters: str) -> list[str]:
    items = client.get("/api/v1/held", params=parameters).json()["items"]
    return [item["sop_instance_uid"] for item in items]


def first_of(client: httpx.Client) -> int:
    return int(client.get("/api/v1/held").json()["items"][0]["id"])


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize(
    ("which", "decided", "left"),
    [
        ({"series": ["1.2.3.5"]}, 1, ["1.2.3.4.1", "1.2.3.4.3"]),
        ({"studies": ["1.2.3"]}, 2, ["1.2.3.4.3"]),
        ({"studies": ["1.2.9"], "instances": ["1.2.3.4.1"]}, 2, ["1.2.3.4.2"]),
        ({"studies": ["1.2.77"]}, 0, ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]),
        ({"all": True}, 3, []),
    ],
    ids=str,
)
def test_many_are_decided_at_once_as_the_preview_says(
    client: httpx.Client, which: dict[str, object], decided: int, left: list[str]
) -> None:
    asked = {"decision": "keep first", **which}
    seen = client.post("/api/v1/held", params={"preview": "true"}, json=asked).json()
    assert (seen["instances"], sum(share["instances"] for share in seen["studies"])) == (decided, decided)
    assert len(listed(client)) == 3
    answer = client.post("/api/v1/held", json={**asked, "text": WHY, "expected": decided}).json()
    assert (answer["decided"], answer["ways"]) == (decided, {"discarded": decided} if decided else {})
    assert listed(client) == left


@pytest.mark.usefixtures("copies")
def test_they_are_listed_by_study_and_series(client: httpx.Client) -> None:
    assert listed(client, study="1.2.3") == ["1.2.3.4.1", "1.2.3.4.2"]
    assert listed(client, series="1.2.9.1") == ["1.2.3.4.3"]
    assert listed(client, study="1.2.4") == []


@pytest.mark.parametrize("which", [{}, {"all": True, "studies": ["1.2.3"]}, {"studies": []}], ids=str)
def test_a_decision_says_about_what(client: httpx.Client, which: dict[str, object]) -> None:
    asked = {"decision": "keep first", "text": WHY, **which}
    assert client.post("/api/v1/held", json=asked).status_code == 422


@pytest.mark.usefixtures("copies")
def test_a_decision_says_why_and_about_how_many_if_asked(client: httpx.Client) -> None:
    path = f"/api/v1/held/{first_of(client)}"
    without = client.post(path, json={"decision": "keep both", "text": "  "})
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "text")
    other = client.post(path, json={"decision": "keep both", "text": WHY, "expected": 7})
    assert other.status_code == 409
    assert other.json()["type"].endswith("other-number")
    assert len(listed(client)) == 3


@pytest.mark.usefixtures("copies")
def test_both_copies_are_kept_and_retrieved_under_their_uids(client: httpx.Client) -> None:
    number = first_of(client)
    made = client.post(f"/api/v1/held/{number}", json={"decision": "keep both", "text": WHY}).json()
    (new,) = made["new_uids"]
    assert new["held"] == number
    found = client.get("/dicomweb/studies/1.2.3/metadata").json()
    said = {
        each["00080018"]["Value"][0]: each["00104000"]["Value"]
        for each in found
        if each["0020000E"]["Value"] == ["1.2.3.4"]
    }
    assert said == {"1.2.3.4.1": ["first"], new["sop_instance_uid"]: ["other"]}
    (explained,) = client.get(f"/api/v1/instances/{new['sop_instance_uid']}/explain").json()["items"]
    assert any(WHY in sentence and "1.2.3.4.1" in sentence for sentence in explained["sentences"])


@pytest.mark.usefixtures("copies")
def test_the_same_key_gets_the_same_answer(client: httpx.Client) -> None:
    asked, key = {"decision": "keep both", "text": WHY}, {"Idempotency-Key": "once"}
    path = f"/api/v1/held/{first_of(client)}"
    first = client.post(path, json=asked, headers=key)
    again = client.post(path, json=asked, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert len(listed(client)) == 2


@pytest.mark.usefixtures("copies")
def test_decisions_are_rows_with_who_and_why(client: httpx.Client) -> None:
    client.post("/api/v1/held", json={"decision": "take second", "text": WHY, "studies": ["1.2.3"]})
    (made,) = client.get("/api/v1/held/decisions").json()["items"]
    assert (made["decision"], made["text"], made["instances"]) == ("take second", WHY, 2)
    assert made["by"]
    objects = client.get(f"/api/v1/held/decisions/{made['id']}", params={"limit": 1}).json()
    assert objects["items"][0]["way"] == "in place of the first"
    assert objects["next"]


@pytest.mark.usefixtures("copies")
def test_the_comparison_says_what_differs_and_what_each_choice_would_do(client: httpx.Client) -> None:
    number = first_of(client)
    said = client.get(f"/api/v1/held/{number}/comparison").json()
    (differs,) = said["differences"]
    assert (differs["keyword"], differs["first"], differs["held"]) == ("PatientComments", "first", "other")
    assert (said["pixels"], said["first"]["standing"], said["first"]["given_to"]) == ("same", "live", 0)
    assert {each["decision"]: list(each["ways"]) for each in said["choices"]} == {
        "keep first": ["discarded"],
        "take second": ["in place of the first"],
        "keep both": ["under a new UID"],
    }
    for copy in ("held", "first"):
        picture = client.get(said[copy]["picture"], headers={"Accept": "image/png"})
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert client.get("/api/v1/held/99/comparison").status_code == 404


def test_the_comparison_sees_other_pixels(client: httpx.Client, rooms: Rooms) -> None:
    receive(rooms, 1)
    receive(rooms, 1, rows=32, PatientName="Doe^Janet")
    said = client.get(f"/api/v1/held/{first_of(client)}/comparison").json()
    assert {each["keyword"]: (each["first"], each["held"]) for each in said["differences"]} == {
        "PatientName": ("Doe^Jane", "Doe^Janet"),
        "Rows": ("16", "32"),
    }
    assert said["pixels"] == "differ"


def test_proposed_corrections_are_listed_and_dismissed(client: httpx.Client, rooms: Rooms) -> None:
    copy = ProposingCopy("1.2.3", "1.2.3.4.1", "d", b"", "DIMSE", {}, {"AccessionNumber": ("A1", "A2")})
    rooms.catalog.write(lambda transaction: propose(transaction, [copy], now=clock()))
    (found,) = client.get("/api/v1/proposed-corrections", params={"study": "1.2.3"}).json()["items"]
    assert (found["differences"], found["copies"]) == (
        {"AccessionNumber": {"known": "A1", "said": ["A2"]}},
        1,
    )
    path = f"/api/v1/proposed-corrections/{found['id']}"
    assert client.post(path, json={"decision": "dismiss", "text": WHY}).json()["decided_because"] == WHY
    assert client.get("/api/v1/proposed-corrections").json()["items"] == []
    assert client.post(path, json={"decision": "dismiss", "text": WHY}).status_code == 404


def test_another_patient_is_a_banner_of_the_study_until_it_is_decided(
    client: httpx.Client, rooms: Rooms
) -> None:
    receive(rooms, 1)
    assert client.get("/api/v1/studies/1.2.3").json()["patient_conflict"] is None
    receive(rooms, 1, PatientID="P2")
    banner = client.get("/api/v1/studies/1.2.3").json()["patient_conflict"]
    assert (banner["copies"], banner["said"]) == (1, [{"patient_id": "P2", "issuer": ""}])
    client.post("/api/v1/held", json={"decision": "keep first", "text": WHY, "all": True})
    assert client.get("/api/v1/studies/1.2.3").json()["patient_conflict"] is None


def test_what_was_handed_out_a_moment_ago_counts_as_given(rooms: Rooms) -> None:
    """The ledger is written once a second; who decides does not wait for that."""
    ledger = Ledger(rooms.catalog, clock)
    writing = replace(rooms, write_ledger=ledger.write)
    for comments in ("first", "other"):
        receive(rooms, 1, PatientComments=comments)
    ledger.note(Given("1.2.3.4.1", Receiver(0, "10.1.1.9"), State.GIVEN, "0000", "C-STORE", clock()))
    with (
        running(create_application(writing)) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        asked = {"decision": "take second", "text": WHY, "all": True}
        seen = client.post("/api/v1/held", params={"preview": True}, json=asked).json()
        assert list(seen["ways"]) == ["under a new UID, the first rejected"]
        ledger.note(Given("1.2.3.4.1", Receiver(0, "10.1.1.10"), State.GIVEN, "0000", "C-STORE", clock()))
        refused = client.post("/api/v1/held", json={**asked, "seen": seen["seen"]})
        assert (refused.status_code, refused.json()["detail"][:5]) == (409, "seen:")
        assert client.post("/api/v1/held", json=asked).json()["receivers"] == 2


def test_it_is_not_undone_once_the_chosen_copy_was_handed_out(rooms: Rooms) -> None:
    ledger = Ledger(rooms.catalog, clock)
    for comments in ("first", "other"):
        receive(rooms, 1, PatientComments=comments)
    with (
        running(create_application(replace(rooms, write_ledger=ledger.write))) as address,
        httpx.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        made = client.post("/api/v1/held", json={"decision": "take second", "text": WHY, "all": True}).json()
        ledger.note(Given("1.2.3.4.1", Receiver(0, "10.1.1.9"), State.GIVEN, "0000", "C-STORE", clock()))
        refused = client.delete(f"/api/v1/withdrawals/{made['withdrawals'][0]}")
        assert refused.status_code == 409
        assert "could not tell" in refused.json()["detail"]
