"""Purges, alerts, refused arrivals, causes and laws over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from kinote.catalog.schema.tables import instance
from kinote.holdings.alerts import AlertWatch
from kinote.holdings.health import Alert
from kinote.holdings.law_check import check_after
from kinote.holdings.reaping.reaper import Reaper
from kinote.intake.outcome import CANNOT_UNDERSTAND, refused
from kinote.intake.refusals import RefusedArrivals
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.purging.tombstones import remember_failure
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.storage.local import local_stores
from kinote.web.application import Rooms, create_application
from tests.actors import ORIGIN, ROE
from tests.web.conftest import running
from tests.web.objects import INSTANCE, STUDY, as_file, image

DELAYS = PurgeDelays(timedelta(days=1))


@pytest.fixture
def rooms_with_an_image(rooms: Rooms, tmp_path: Any) -> Rooms:
    upload = rooms.receiver.open(ORIGIN)
    upload.write(as_file(image(1)))
    assert upload.finish().result(60).kind == "stored"
    stores = local_stores(tmp_path / "data")
    return replace(
        rooms,
        purge_delays=DELAYS,
        check_laws=lambda position: check_after(rooms.catalog, stores, position, lambda _: True),
    )


@pytest.fixture
def api(rooms_with_an_image: Rooms) -> Iterator[httpx.Client]:
    with (
        running(create_application(rooms_with_an_image)) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60, trust_env=False) as client,
    ):
        yield client


def get(api: httpx.Client, path: str, **parameters: Any) -> Any:
    response = api.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def withdrawn(rooms: Rooms) -> datetime:
    now = rooms.clock()
    rooms.catalog.write(lambda tx: withdraw(tx, [INSTANCE], act=QUALITY, text="blurred", by=ROE, now=now))
    return now


def test_what_would_be_purged_what_was_and_what_could_not_be(rooms: Rooms, api: httpx.Client) -> None:
    now = withdrawn(rooms)
    assert get(api, "/purges/plan")["items"] == []
    plan = get(api, "/purges/plan", days=2)
    assert [(each["sop_instance_uid"], each["act"]) for each in plan["items"]] == [(INSTANCE, "quality")]
    assert plan["is_off"] is False
    key = rooms.catalog.write(
        lambda tx: tx.execute(
            select(instance.c.id).where(instance.c.sop_instance_uid == INSTANCE)
        ).scalar_one()
    )
    for _ in range(8):
        rooms.catalog.write(lambda tx: remember_failure(tx, key, "a test", now))
    (failure,) = get(api, "/purges/failures")["items"]
    assert (failure["instance"], failure["what"], failure["failure"], failure["state"]) == (
        key,
        "tombstone",
        "a test",
        "dead",
    )
    assert get(api, "/purges")["counts"] == {"removing": 0, "failed": 1, "dead": 1}
    assert get(api, "/purges/plan", days=2)["items"] == []
    assert api.post("/purges/retry", json={"instances": [key]}).json() == {"count": 1}
    reaper = Reaper(
        rooms.catalog,
        local_stores(rooms.options.viewer.parent / "data"),
        lambda: now + timedelta(days=2),
        node="a test",
        delays=DELAYS,
        store_is_there=lambda _: True,
    )
    while reaper.step() < 1:
        pass
    (purge,) = get(api, "/purges")["items"]
    assert (purge["sop_instance_uid"], purge["act"], purge["text"]) == (INSTANCE, "quality", "blurred")
    assert purge["removed_at"]
    assert get(api, "/purges", since=(now + timedelta(days=3)).isoformat())["items"] == []
    assert api.get("/purges", params={"since": "soon"}).status_code == 422
    (copy,) = get(api, f"/instances/{INSTANCE}/explain")["items"]
    assert any("was purged at" in sentence for sentence in copy["sentences"])
    assert [cause["code"] for cause in get(api, "/explain", study=STUDY)["items"]] == ["PURGED"]
    assert get(api, "/laws") == {"items": [], "next": None, "looked_at": 1}


def test_alerts_are_listed_acknowledged_and_snoozed(rooms: Rooms, api: httpx.Client) -> None:
    assert get(api, "/alerts")["items"] == []
    AlertWatch(rooms.catalog, rooms.clock, "a node", lambda: [Alert("JOBS_DEAD", "One is dead.")]).step()
    (alert,) = get(api, "/alerts")["items"]
    assert (alert["code"], alert["state"], alert["severity"]) == ("JOBS_DEAD", "new", "error")
    path = f"/alerts/{alert['id']}"
    assert api.post(f"{path}/acknowledge").json()["state"] == "acknowledged"
    assert api.post(f"{path}/snooze", json={"hours": 2.0}).json()["state"] == "snoozed"
    assert get(api, "/alerts", limit=1)["numbers"] == {"new": 0, "acknowledged": 0, "snoozed": 1}
    assert api.post(f"{path}/snooze", json={"hours": 0.0}).json()["state"] == "acknowledged"
    owned = api.post(f"{path}/own", json={"owner": "Fischer^Anna"}, headers={"Kinote-Actor": "Roe"}).json()
    assert (owned["owner"], owned["owned_by"]) == ("Fischer^Anna", "Roe (127.0.0.1)")
    assert api.post(f"{path}/own", json={"owner": ""}).json()["owner"] is None
    assert api.post(f"{path}/own", json={"owner": "a\nb"}).status_code == 422
    assert api.post("/alerts/999/acknowledge").status_code == 404
    AlertWatch(rooms.catalog, rooms.clock, "a node", list).step()
    assert get(api, "/alerts")["items"] == []
    assert [each["state"] for each in get(api, "/alerts", state="cleared")["items"]] == ["cleared"]


def test_a_test_message_is_sent_once_under_its_key(rooms: Rooms) -> None:
    sent: list[str] = []

    def send() -> list[dict[str, object]]:
        sent.append("mail")
        return [{"channel": "mail", "sent": True, "sentence": "It was taken."}]

    with (
        running(create_application(replace(rooms, test_alerts=send))) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60, trust_env=False) as api,
    ):
        for _ in range(2):
            answer = api.post("/alerts/test", headers={"Idempotency-Key": "once"})
            assert answer.json()["items"] == [{"channel": "mail", "sent": True, "sentence": "It was taken."}]
        assert sent == ["mail"]
        api.post("/alerts/test")
        assert sent == ["mail", "mail"]


def test_refused_arrivals_are_listed_and_explained(rooms: Rooms, api: httpx.Client) -> None:
    refusals = RefusedArrivals(rooms.catalog, rooms.clock)
    refusals.note(refused(CANNOT_UNDERSTAND, "Truncated.", sop_instance_uid="1.9.1").sent_by(ORIGIN))
    refusals.step()
    (row,) = get(api, "/arrivals/refused", uid="1.9.1", sender=ORIGIN.actor.name)["items"]
    assert (row["status"], row["comment"]) == (CANNOT_UNDERSTAND, "Truncated.")
    assert [cause["code"] for cause in get(api, "/explain", instance="1.9.1")["items"]] == ["REFUSED"]
    assert [cause["code"] for cause in get(api, "/explain", study=STUDY)["items"]] == ["RIGHT_OR_FILTER"]
    assert api.get("/explain").status_code == 422
