"""Deliveries over HTTP: ordered once under a key, listed with their accounts, and acted on with a counted preview."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kinote.peers import destination_acts
from kinote.web.application import Rooms, create_application
from tests.actors import ROE
from tests.clock import clock
from tests.peers.wanted import added, archive, dimse, sending_to
from tests.web.conftest import running

STUDY = "1.2.3"


@pytest.fixture
def api(rooms: Rooms) -> Iterator[httpx.Client]:
    (reached,) = added(rooms.catalog, archive("Archive", dimse())).endpoints
    rooms.catalog.write(
        lambda transaction: destination_acts.add_destination(
            transaction, sending_to(reached, "Archive"), clock(), by=ROE
        )
    )
    with (
        running(create_application(rooms)) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield client


def ordered(api: httpx.Client, key: str = "", **asked: Any) -> httpx.Response:
    body = {"destination": "Archive", "studies": [STUDY], **asked}
    return api.post("/deliveries", json=body, headers={"Idempotency-Key": key} if key else {})


def test_a_delivery_is_ordered_once_and_shown_with_its_account(api: httpx.Client) -> None:
    first, again = ordered(api, "a"), ordered(api, "a")
    assert (first.status_code, first.headers["Location"]) == (202, "/api/v1/deliveries/1")
    assert again.json() == first.json()
    same = ordered(api, priority=2).json()
    assert (same["id"], same["is_new"], same["priority"]) == (1, False, 2)
    found = api.get("/deliveries/1").json()
    assert (found["state"], found["account"]["manifest"], found["account"]["verdict"]) == ("waiting", 0, None)
    assert found["selection"] == {"studies": [STUDY]}
    assert api.get("/deliveries/1/objects").json() == {"items": [], "next": None}
    assert api.get("/deliveries/9").status_code == 404


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"destination": "Nowhere"}, "destination"),
        ({"studies": []}, "studies"),
        ({"studies": ["x y"]}, "studies[0]"),
        ({"studies": [STUDY, STUDY]}, "studies[1]"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_its_field(
    api: httpx.Client, asked: dict[str, Any], field: str
) -> None:
    refused = ordered(api, **asked)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field


def test_deliveries_are_listed_by_state_and_destination_page_by_page(api: httpx.Client) -> None:
    keys = [ordered(api, studies=[f"1.2.{number}"]).json()["id"] for number in range(3)]
    api.post(f"/deliveries/{keys[0]}/cancel", json={"reason": "not needed"})
    for asked, expected in (
        ({}, keys[::-1]),
        ({"state": "waiting"}, [keys[2], keys[1]]),
        ({"destination": "Archive"}, keys[::-1]),
        ({"destination": "Archive", "state": "cancelled"}, [keys[0]]),
        ({"destination": "Nowhere"}, []),
        ({"cause": "route 1"}, []),
    ):
        page = api.get("/deliveries", params={**asked, "limit": 2}).json()
        found = [each["id"] for each in page["items"]]
        if page["next"]:
            more = api.get("/deliveries", params={**asked, "cursor": page["next"]}).json()
            found += [each["id"] for each in more["items"]]
        assert found == expected, asked
    numbers = api.get("/deliveries").json()["numbers"]
    assert {each["state"]: each["count"] for each in numbers} == {"waiting": 2, "cancelled": 1}


def test_acts_are_counted_first_and_refused_where_the_number_has_changed(api: httpx.Client) -> None:
    keys = [ordered(api, studies=[f"1.2.{number}"]).json()["id"] for number in range(3)]
    asked = {"act": "cancel", "filter": {"state": "waiting"}}
    assert api.post("/deliveries/acts", json=asked).json() == {"act": "cancel", "count": 3, "done": False}
    assert api.post("/deliveries/acts", json={**asked, "expected": 2}).status_code == 409
    assert api.post("/deliveries/acts", json={**asked, "expected": 3}).json()["done"]
    assert api.post(f"/deliveries/{keys[0]}/cancel").status_code == 409
    assert api.post(f"/deliveries/{keys[0]}/retry").json()["state"] == "waiting"
    assert api.post(f"/deliveries/{keys[0]}/priority", json={"priority": 1}).json()["priority"] == 1
    assert api.post("/deliveries/acts", json={"act": "priority", "ids": keys}).status_code == 422
    assert api.post("/deliveries/acts", json={"act": "cancel", "ids": [99]}).status_code == 404


def test_nobody_is_owed_anything_at_first(api: httpx.Client) -> None:
    assert api.get("/notices").json() == {"items": [], "next": None}
    refused = api.post("/notices/told", json={"withdrawal": 1, "text": "by telephone"})
    assert refused.status_code == 422
