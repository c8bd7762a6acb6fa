"""Withdrawing whole series and studies for good, where somebody else has to confirm it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kinote.lifecycle.second_person.requests import LIFETIME
from kinote.security.roles import RoleName
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.web.objects import INSTANCE, SERIES, STUDY, as_file, image, multipart
from tests.web.signed_in import Signing

WITHDRAWALS, REQUESTS = "/api/v1/withdrawals", "/api/v1/withdrawal-requests"
CONFIRM = {"decision": "confirm"}
WRONG_STUDY = {
    "act": "wrong patient",
    "text": "Taken under the name of the patient before",
    "studies": [STUDY],
}
ALONE = "1.2.3.5.1"


class Site:
    """A server with a study of two series, of two images and one, and two people who may withdraw anything."""

    def __init__(self, rooms: Rooms) -> None:
        self.later = timedelta(0)
        self.signing = Signing(
            replace(
                rooms,
                options=replace(rooms.options, second_person=True, undo_window=timedelta(minutes=10)),
                clock=lambda: clock() + self.later,
            )
        )
        self.first = self.signing.session("administrator")
        self.signing.add("second", RoleName.ADMINISTRATOR)
        self.second = self.signing.session("second")
        self.client = self.signing.client
        other = image(3, SeriesInstanceUID="1.2.3.5", SOPInstanceUID=ALONE)
        body, headers = multipart([as_file(image(1)), as_file(image(2)), as_file(other)])
        self.client.post("/dicomweb/studies", content=body, headers={**headers, **self.first})

    def ask(self, body: dict[str, Any], status: int = 202, *, key: str = "") -> dict[str, Any]:
        answer = self.client.post(
            WITHDRAWALS, json=body, headers={**self.first, **({"Idempotency-Key": key} if key else {})}
        )
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def decide(self, key: int, by: dict[str, str], body: dict[str, Any] = CONFIRM) -> Any:
        return self.client.post(f"{REQUESTS}/{key}", json=body, headers=by)

    def live(self) -> int:
        answer = self.client.get("/dicomweb/instances", headers=self.first)
        return len(answer.json()) if answer.status_code == 200 else 0


@pytest.fixture
def site(rooms: Rooms) -> Iterator[Site]:
    found = Site(rooms)
    yield found
    found.signing.client.close()


def test_nothing_is_withdrawn_until_somebody_else_confirms_it(site: Site) -> None:
    asked = site.ask(WRONG_STUDY)
    waiting = asked["waiting"]
    assert (waiting["state"], waiting["asked_by"]["name"], asked["withdrawn"]) == (
        "waiting",
        "administrator",
        3,
    )
    assert site.live() == 3
    own = site.decide(waiting["id"], site.first)
    assert (own.status_code, own.json()["type"]) == (403, "urn:kinote:problem:second-person-needed")
    assert site.live() == 3
    (listed,) = site.client.get(REQUESTS, headers=site.second).json()["items"]
    assert listed == waiting
    meant = site.client.get(f"{REQUESTS}/{waiting['id']}", headers=site.second).json()["means"]
    assert (meant["withdrawn"], meant["studies"][0]["patient_name"]) == (3, "Doe^Jane")
    confirmed = site.decide(waiting["id"], site.second).json()
    assert (confirmed["state"], confirmed["decided_by"]["name"]) == ("confirmed", "second")
    assert site.live() == 0
    made = site.client.get(f"{WITHDRAWALS}/{confirmed['withdrawal']}", headers=site.first).json()
    assert (made["by"]["name"], made["confirmed_by"]["name"], made["text"], made["state"]) == (
        "administrator",
        "second",
        WRONG_STUDY["text"],
        "open",
    )
    again = site.decide(waiting["id"], site.second)
    assert (again.status_code, f"withdrawal {made['id']}" in again.json()["detail"]) == (409, True)
    assert site.client.get(REQUESTS, headers=site.second).json()["items"] == []
    lines = site.client.get(f"{WITHDRAWALS}?csv=true", headers=site.first).text.splitlines()
    assert (lines[0].split(",")[-1], lines[1].split(",")[-1]) == ("confirmed_by", "second")


def test_a_refused_one_withdraws_nothing_and_can_be_asked_for_again(site: Site) -> None:
    for decided_by in (site.second, site.first):
        key = site.ask(WRONG_STUDY)["waiting"]["id"]
        refused = site.decide(key, decided_by, {"decision": "refuse", "reason": "It is the right patient"})
        assert (refused.status_code, refused.json()["state"]) == (200, "refused")
        assert site.decide(key, site.second).status_code == 409
    assert site.live() == 3


def test_one_that_nobody_decided_in_time_is_not_confirmed_any_more(site: Site) -> None:
    key = site.ask(WRONG_STUDY)["waiting"]["id"]
    site.later = LIFETIME
    late = site.decide(key, site.second)
    assert (late.status_code, "expired" in late.json()["detail"]) == (409, True)
    assert site.client.get(REQUESTS, headers=site.second).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"act": "safety", "series": [SERIES]}, 202),
        ({"act": "wrong order", "instances": [INSTANCE, f"{SERIES}.2"]}, 202),
        ({"act": "safety", "instances": [INSTANCE]}, 201),
        ({"act": "safety", "instances": [ALONE]}, 201),
        ({"act": "quality", "studies": [STUDY]}, 201),
        ({"act": "safety", "instances": ["1.2.3.99"]}, 201),
    ],
    ids=["series", "all of a series one by one", "one of several", "the only one", "quality", "not here"],
)
def test_whole_series_for_good_take_a_second_person_and_nothing_else(
    site: Site, body: dict[str, Any], status: int
) -> None:
    answer = site.client.post(f"{WITHDRAWALS}?preview=true", json={**body, "text": "why"}, headers=site.first)
    assert answer.json()["second_person"] is (status == 202)
    site.ask({**body, "text": "why"}, status)


def test_all_of_a_series_one_by_one_takes_a_reason_in_words(site: Site) -> None:
    problem = site.ask({"act": "safety", "instances": [INSTANCE, f"{SERIES}.2"]}, 422)
    assert problem["errors"][0]["field"] == "text"


def test_programs_ask_and_do_not_confirm(site: Site) -> None:
    key = site.ask(WRONG_STUDY)["waiting"]["id"]
    token = site.signing.token(RoleName.ADMINISTRATOR)
    refused = site.decide(key, token)
    assert (refused.status_code, site.live()) == (403, 3)
    assert site.decide(key, site.signing.session("author")).status_code == 403


def test_asking_again_under_the_same_key_asks_once(site: Site) -> None:
    asked = {site.ask(WRONG_STUDY, key="asked")["waiting"]["id"] for _ in range(2)}
    assert len(asked) == 1
    (key,) = asked
    answers = [
        site.client.post(
            f"{REQUESTS}/{key}", json=CONFIRM, headers={**site.second, "Idempotency-Key": "confirmed"}
        )
        for _ in range(2)
    ]
    assert [each.json()["withdrawal"] for each in answers] == [1, 1]


def test_what_comes_meanwhile_is_withdrawn_with_the_study(site: Site) -> None:
    key = site.ask(WRONG_STUDY)["waiting"]["id"]
    body, headers = multipart([as_file(image(4))])
    site.client.post("/dicomweb/studies", content=body, headers={**headers, **site.first})
    site.decide(key, site.second)
    assert site.live() == 0
