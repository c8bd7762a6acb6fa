"""`Idempotency-Key`: an act asked for again is not done again, and gets the same answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kinote.catalog.answered_requests import LIFETIME
from kinote.catalog.schema.tables import answered_request
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.door import Door
from kinote.intake.receiver import Receiver
from kinote.storage.local import local_stores
from kinote.web.metrics import observe_outcome
from kinote.web.rooms import Rooms, WebOptions
from tests.actors import OPEN
from tests.clock import clock
from tests.web.objects import INSTANCE, STUDY, as_file, image, multipart

NOTES = f"/api/v1/studies/{STUDY}/notes"
KEY = {"Idempotency-Key": "2f0c1b9e-7d5a-4a53-8f0e-6b1d3c2a9e01"}
NOTE = {
    "title": {"scheme": "DCM", "value": "113000"},
    "description": "所見あり",
    "references": [{"sop_instance_uid": INSTANCE}],
}
#: Of an answer, what differs from one moment to the next.
OF_THE_MOMENT = {"date", "server"}


@pytest.fixture
def rooms(tmp_path: Path, catalog: Catalog) -> Iterator[Rooms]:
    """The rooms of one Kinote, on either kind of database."""
    stores = local_stores(tmp_path / "data")
    receiver = Receiver(catalog, stores, clock=clock, observe=observe_outcome)
    yield Rooms(
        catalog,
        receiver,
        Door(catalog, stores, clock=clock),
        WebOptions(viewer=tmp_path / "viewer"),
        clock=clock,
        policy=OPEN,
    )
    receiver.close()


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    body, headers = multipart([as_file(image(1))])
    assert client.post("/dicomweb/studies", content=body, headers=headers).status_code == 200
    return client


def told(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """What a client is told, but for the mark that it was told before."""
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in OF_THE_MOMENT | {"idempotent-replayed"}
    }
    return response.status_code, headers, response.content


def is_replayed(response: httpx.Response) -> bool:
    return "Idempotent-Replayed" in response.headers


def notes(client: httpx.Client) -> list[Any]:
    items: list[Any] = client.get(NOTES).json()["items"]
    return items


def test_a_note_asked_for_twice_is_made_once(stored: httpx.Client) -> None:
    first = stored.post(NOTES, json=NOTE, headers=KEY)
    again = stored.post(NOTES, json=NOTE, headers=KEY)
    assert (first.status_code, is_replayed(first), is_replayed(again)) == (201, False, True)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert told(again) == told(first)
    assert {"location", "etag", "content-type", "cache-control"} <= set(again.headers)
    assert notes(stored) == [first.json()]


def test_without_a_key_or_under_another_it_is_another_act(stored: httpx.Client) -> None:
    for headers in (KEY, {}, {}, {"Idempotency-Key": "another"}):
        assert not is_replayed(stored.post(NOTES, json=NOTE, headers=headers))
    assert len(notes(stored)) == 4


def test_revising_and_withdrawing_again_are_answered_as_they_were(stored: httpx.Client) -> None:
    address = stored.post(NOTES, json=NOTE).headers["location"]
    revised = {**NOTE, "description": "changed"}
    first = stored.put(address, json=revised, headers={**KEY, "If-Match": '"1"'})
    again = stored.put(address, json=revised, headers={**KEY, "If-Match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert told(again) == told(first) and is_replayed(again)
    assert stored.put(address, json=revised, headers={"If-Match": '"1"'}).status_code == 412
    gone = {"Idempotency-Key": "gone"}
    first = stored.delete(f"{address}?reason=wrong", headers=gone)
    again = stored.delete(f"{address}?reason=wrong", headers=gone)
    assert (first.status_code, first.json()["standing"]) == (200, "withdrawn")
    assert told(again) == told(first) and is_replayed(again)
    assert stored.delete(f"{address}?reason=wrong").status_code == 409
    assert len(stored.get(f"{address}/versions").json()["items"]) == 2


def test_registering_again_is_answered_as_it_was_though_the_document_is_gone(stored: httpx.Client) -> None:
    made = stored.post(NOTES, json=NOTE)
    uid = made.json()["key_objects"][0]["sop_instance_uid"]
    first = stored.post(f"/api/v1/instances/{uid}/register", headers=KEY)
    stored.delete(made.headers["location"])
    again = stored.post(f"/api/v1/instances/{uid}/register", headers=KEY)
    assert first.status_code == 200, first.text
    assert told(again) == told(first) and is_replayed(again)
    assert stored.post(f"/api/v1/instances/{uid}/register").status_code == 409


def test_another_request_under_the_key_is_refused(stored: httpx.Client) -> None:
    made = stored.post(NOTES, json=NOTE, headers=KEY)
    address = made.headers["location"]
    others = [
        stored.post(NOTES, json={**NOTE, "description": "other"}, headers=KEY),
        stored.put(address, json=NOTE, headers={**KEY, "If-Match": '"1"'}),
        stored.delete(address, headers=KEY),
        stored.post("/api/v1/studies/1.9/notes", json=NOTE, headers=KEY),
        stored.post(f"{NOTES}?more=1", json=NOTE, headers=KEY),
        stored.post(NOTES, json=NOTE, headers={**KEY, "If-Match": '"1"'}),
    ]
    for refused in others:
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:kinote:problem:key-reused"
    assert notes(stored) == [made.json()]


def test_the_same_request_may_be_written_otherwise(stored: httpx.Client) -> None:
    made = stored.post(NOTES, json=NOTE, headers=KEY)
    written = json.dumps(dict(reversed(NOTE.items())), indent=3)
    again = stored.post(NOTES, content=written, headers={**KEY, "Content-Type": "application/json"})
    assert told(again) == told(made) and is_replayed(again)


def test_what_is_refused_leaves_no_key(stored: httpx.Client) -> None:
    wrong = {**NOTE, "references": [{"sop_instance_uid": "1.9"}]}
    assert stored.post(NOTES, json=wrong, headers=KEY).json()["type"] == "urn:kinote:problem:note-refused"
    made = stored.post(NOTES, json=NOTE, headers=KEY)
    assert (made.status_code, is_replayed(made)) == (201, False)
    stale = {"Idempotency-Key": "revision", "If-Match": '"7"'}
    for _ in range(2):
        refused = stored.put(made.headers["location"], json=NOTE, headers=stale)
        assert (refused.status_code, is_replayed(refused)) == (412, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [("abc", '"abc"'), ("a b", '"a b"'), ('a"b\\c', r'"a\"b\\c"'), ("k" * 255, f'"{"k" * 255}"')],
)
def test_a_key_in_quotes_is_the_same_key(stored: httpx.Client, one: str, other: str) -> None:
    made = stored.post(NOTES, json=NOTE, headers={"Idempotency-Key": one})
    assert made.status_code == 201, made.text
    assert is_replayed(stored.post(NOTES, json=NOTE, headers={"Idempotency-Key": other}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([b""], "1 to 255 characters"),
        ([b'""'], "1 to 255 characters"),
        ([b"k" * 256], "this one 256"),
        ([b'"' + b"k" * 256 + b'"'], "this one 256"),
        ([b"a\tb"], "printable ASCII"),
        (["schlüssel".encode()], "printable ASCII"),
        ([b'"abc'], "printable ASCII"),
        ([b'"a"b"'], "printable ASCII"),
        ([b'"abc"; q=1'], "printable ASCII"),
        ([rb'"a\b"'], "printable ASCII"),
        ([b"one", b"one"], "not several"),
    ],
)
def test_a_malformed_key_is_refused_and_nothing_done(
    stored: httpx.Client, given: list[bytes], said: str
) -> None:
    refused = stored.post(NOTES, json=NOTE, headers=[(b"Idempotency-Key", value) for value in given])
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:kinote:problem:bad-request")
    assert "Idempotency-Key" in refused.json()["detail"] and said in refused.json()["detail"]
    assert notes(stored) == []


def test_of_many_who_ask_at_once_one_makes_the_note(stored: httpx.Client, address: str) -> None:
    together = threading.Barrier(20)
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            together.wait(60)
            answers.append(client.post(NOTES, json=NOTE, headers=KEY))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [told(answer) for answer in answers] == [told(answers[0])] * 20
    assert [is_replayed(answer) for answer in answers].count(False) == 1
    assert notes(stored) == [answers[0].json()]


def test_after_seven_days_a_key_is_forgotten(stored: httpx.Client, catalog: Catalog) -> None:
    stored.post(NOTES, json=NOTE, headers=KEY)
    long_ago = timestamp(datetime.now().astimezone() - LIFETIME - timedelta(seconds=1))
    catalog.write(
        lambda transaction: transaction.execute(answered_request.update().values(answered_at=long_ago))
    )
    again = stored.post(NOTES, json=NOTE, headers=KEY)
    assert (again.status_code, is_replayed(again)) == (201, False)
    assert len(notes(stored)) == 2


def test_only_acts_that_are_done_are_counted(stored: httpx.Client) -> None:
    def made() -> float:
        lines = stored.get("/metrics").text.splitlines()
        return sum(
            float(line.split()[1]) for line in lines if line.startswith('kinote_notes_total{act="made"}')
        )

    before = made()
    for _ in range(3):
        stored.post(NOTES, json=NOTE, headers=KEY)
    assert made() == before + 1
