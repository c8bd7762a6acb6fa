"""Jobs and queues over HTTP: lists with sentences, one with its history, acts with a counted preview."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from kinote.jobs.leased import Done, Failed
from kinote.notes.creator.making_jobs import MAKE_KEY_OBJECTS
from kinote.notes.registrar.registering_jobs import REGISTER_AGAIN
from kinote.web.application import Rooms, create_application
from tests.jobs.shop import SEND, SWEEP, Shop
from tests.web.conftest import running

KINDS = {kind.name: kind for kind in (SWEEP, SEND)}


@pytest.fixture
def shop(rooms: Rooms) -> Shop:
    shop = Shop(rooms.catalog, KINDS)
    shop.clock.now = rooms.clock()
    return shop


@pytest.fixture
def api(rooms: Rooms) -> Iterator[httpx.Client]:
    kinds = (SWEEP, SEND, REGISTER_AGAIN, MAKE_KEY_OBJECTS)
    application: FastAPI = create_application(replace(rooms, job_kinds=kinds))
    with (
        running(application) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield client


def get(api: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def dead(shop: Shop, reason: str = "broken", **options: Any) -> int:
    key = shop.enqueue(**options)
    while shop.state(key) == "queued":
        worker = shop.claimed()
        shop.settle(worker, Failed(reason, for_good=True) if worker.id == key else Done())
    return key


def test_jobs_are_listed_by_state_kind_and_destination_page_by_page(api: httpx.Client, shop: Shop) -> None:
    died = dead(shop)
    to_a, to_b = (shop.enqueue(SEND, destination=to) for to in "AB")
    swept = [shop.enqueue() for _ in range(3)]
    everything = [*reversed(swept), to_b, to_a, died]
    for asked, expected in (
        ({}, everything),
        ({"state": "queued"}, everything[:-1]),
        ({"state": "dead"}, [died]),
        ({"kind": "sweep"}, [*reversed(swept), died]),
        ({"kind": "sweep", "state": "queued"}, [*reversed(swept)]),
        ({"destination": "A"}, [to_a]),
        ({"destination": ""}, [*reversed(swept), died]),
        ({"destination": "A", "state": "dead"}, []),
        ({"state": "done"}, []),
    ):
        for limit in (2, 100):
            found, cursor = [], ""
            while True:
                page = get(api, "/jobs", **asked, limit=limit, cursor=cursor)
                found += [each["id"] for each in page["items"]]
                assert all(each["sentence"].endswith(".") for each in page["items"])
                cursor = page["next"] or ""
                if not cursor:
                    break
            assert found == expected, asked
    numbers = {(each["kind"], each["state"]): each["count"] for each in page["numbers"]}
    assert numbers == {("sweep", "dead"): 1, ("sweep", "queued"): 3, ("send", "queued"): 2}
    assert all(each["sentence"] and each["oldest_made_at"] for each in page["numbers"])


def test_a_job_tells_its_history(api: httpx.Client, shop: Shop) -> None:
    key = dead(shop, "no such thing")
    found = get(api, f"/jobs/{key}")
    assert [each["event"] for each in found["history"]] == ["made", "claimed", "failed for good"]
    assert found["sentence"] == "It failed after 1 attempt: no such thing. It can be run again."
    assert api.get("/jobs/999").status_code == 404


def test_a_dead_job_is_run_again_once(api: httpx.Client, shop: Shop) -> None:
    key = dead(shop)
    headers = {"Idempotency-Key": "again", "Kinote-Actor": "Jane"}
    for _ in range(2):
        answer = api.post(f"/jobs/{key}/retry", headers=headers, json={"reason": "mended"})
        assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    history = get(api, f"/jobs/{key}")["history"]
    assert [(each["event"], each["actor"], each["reason"]) for each in history[3:]] == [
        ("run again", "Jane (127.0.0.1)", "mended")
    ]
    refused = api.post(f"/jobs/{key}/retry")
    assert refused.status_code == 409
    assert "is queued" in refused.json()["detail"]


def test_a_dead_job_is_not_run_again_beside_one_that_does_the_same(api: httpx.Client, shop: Shop) -> None:
    key = dead(shop, natural_key="one")
    other = shop.enqueue(natural_key="one")
    refused = api.post(f"/jobs/{key}/retry")
    assert refused.status_code == 409
    assert f"the job {other}, which does the same, is under way" in refused.json()["detail"]


def test_a_job_is_cancelled(api: httpx.Client, shop: Shop) -> None:
    key = shop.enqueue()
    assert api.post(f"/jobs/{key}/cancel").json()["state"] == "cancelled"
    assert api.post(f"/jobs/{key}/cancel").status_code == 409
    assert api.post("/jobs/999/cancel").status_code == 404


def test_an_act_on_a_filter_is_counted_first_and_done_to_as_many(api: httpx.Client, shop: Shop) -> None:
    died = {dead(shop) for _ in range(3)}
    asked: dict[str, Any] = {"act": "retry", "filter": {"state": "dead"}, "reason": "mended"}
    assert api.post("/jobs/acts", json=asked).json() == {"act": "retry", "count": 3, "done": False}
    died.add(dead(shop))
    refused = api.post("/jobs/acts", json={**asked, "expected": 3})
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:kinote:problem:other-number"
    assert {shop.state(key) for key in died} == {"dead"}
    done = api.post("/jobs/acts", json={**asked, "expected": 4})
    assert done.json() == {"act": "retry", "count": 4, "done": True}
    assert {shop.state(key) for key in died} == {"queued"}


def test_an_act_on_a_selection_leaves_out_what_it_does_not_go_with(api: httpx.Client, shop: Shop) -> None:
    died, queued = dead(shop), shop.enqueue()
    asked = {"act": "suspend", "ids": [died, queued, 999]}
    assert api.post("/jobs/acts", json=asked).json()["count"] == 1
    assert api.post("/jobs/acts", json={**asked, "expected": 1}).json()["done"]
    assert (shop.state(died), shop.state(queued)) == ("dead", "suspended")


@pytest.mark.parametrize(
    "body",
    [
        {"act": "retry"},
        {"act": "retry", "ids": [1], "filter": {}},
        {"act": "forget", "ids": [1]},
        {"act": "retry", "ids": [1], "reason": ""},
        {"act": "retry", "filter": {"state": "lost"}},
        {"act": "retry", "ids": [1], "expected": -1},
    ],
)
def test_acts_that_say_not_what_they_mean_are_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    assert api.post("/jobs/acts", json=body).status_code == 422


def test_queues_are_set_with_a_reason_and_say_so(api: httpx.Client, shop: Shop) -> None:
    found = {each["kind"]: each for each in get(api, "/queues")["items"]}
    assert {each["state"] for each in found.values()} == {"running"}
    assert all(each["does"] for each in found.values())
    assert api.put("/queues/sweep", json={"state": "halted"}).status_code == 422
    assert api.put("/queues/unheard", json={"state": "halted", "reason": "x"}).status_code == 404
    answer = api.put(
        "/queues/sweep",
        json={"state": "halted", "reason": "full disk"},
        headers={"Kinote-Actor": "Jane"},
    )
    assert (answer.status_code, answer.json()["state"]) == (200, "halted")
    key = shop.enqueue()
    assert "halted, by Jane (127.0.0.1)" in get(api, f"/jobs/{key}")["sentence"]
    assert "full disk" in get(api, "/jobs")["numbers"][0]["sentence"]


def test_key_objects_with_findings_are_read_again_by_a_job(api: httpx.Client) -> None:
    answer = api.post("/findings/register", json={"severity": "error"})
    assert (answer.status_code, answer.json()["is_new"]) == (202, True)
    key = answer.json()["job"]
    assert answer.headers["Location"] == f"/api/v1/jobs/{key}"
    assert get(api, f"/jobs/{key}")["payload"] == {"severity": "error", "code": ""}
    assert api.post("/findings/register", json={"severity": "error"}).json() == {"job": key, "is_new": False}
    api.put("/queues/register-again", json={"state": "draining", "reason": "an update"})
    refused = api.post("/findings/register")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kinote:problem:queue-closed")


def test_metrics_tell_of_jobs_that_are_there_now(api: httpx.Client, shop: Shop) -> None:
    dead(shop)
    shop.enqueue()
    metrics = str(api.base_url).removesuffix("/api/v1/") + "/metrics"
    told = api.get(metrics).text
    assert 'kinote_jobs{kind="sweep",state="dead"} 1.0' in told
    assert "kinote_jobs_dead 1.0" in told
    assert 'kinote_job_oldest_seconds{kind="sweep",state="queued"}' in told
    shop.clear()
    told = api.get(metrics).text
    assert "kinote_jobs_dead 0.0" in told and "kinote_jobs{" not in told
