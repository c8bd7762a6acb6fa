"""Peers and destinations by the REST API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from kinote.peers.from_settings import mirror
from kinote.peers.known import PeersInUse
from kinote.peers.peer import Endpoint, WantedPeer
from kinote.peers.reaching.probing import Answer
from kinote.web.application import create_application
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.web.conftest import running

DIMSE = {"kind": "dimse", "ae_title": "ARCHIVE", "host": "10.1.2.3", "port": 104}
PEER = {"name": "Archive", "endpoints": [DIMSE]}


@pytest.fixture
def rooms(rooms: Rooms) -> Rooms:
    """The rooms with peers that are kept up to date, and with nobody to be called."""

    def probe(name: str, endpoint: Endpoint) -> Answer:
        return Answer(True, f"{name} at {endpoint.address} answers, in 1 ms.", 1)

    return replace(rooms, peers=PeersInUse(rooms.catalog), probe=probe)


def problem(answer: httpx.Response) -> tuple[int, str, set[str]]:
    """Status, name and fields of a problem."""
    told = answer.json()
    return (
        answer.status_code,
        told["type"].removeprefix("urn:kinote:problem:"),
        {error["field"] for error in told.get("errors", ())},
    )


def add(client: httpx.Client, body: dict[str, Any] = PEER) -> dict[str, Any]:
    answer = client.post("/api/v1/peers", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/peers/{found['id']}"
    return found


def test_a_peer_is_added_read_changed_and_removed(client: httpx.Client, rooms: Rooms) -> None:
    added = add(client, {**PEER, "rights": ["reject"], "description": "In the cellar"})
    path = f"/api/v1/peers/{added['id']}"
    assert {
        name: added[name]
        for name in ("version", "origin", "enabled", "ae_titles", "hosts", "rights", "ended")
    } == {
        "version": 1,
        "origin": "people",
        "enabled": True,
        "ae_titles": ["ARCHIVE"],
        "hosts": ["10.1.2.3"],
        "rights": ["reject"],
        "ended": None,
    }
    (endpoint,) = added["endpoints"]
    key = endpoint["id"]
    assert endpoint == {
        **DIMSE,
        "id": key,
        "address": "ARCHIVE@10.1.2.3:104",
        "tls": False,
        "check_name": True,
    }
    read = client.get(path)
    assert (read.json(), read.headers["etag"]) == (added, '"1"')
    # It is known in memory when the answer comes.
    assert rooms.peers.known.find("ARCHIVE") is not None
    body = {**PEER, "enabled": False, "endpoints": [{**DIMSE, "id": key, "port": 11112}]}
    assert problem(client.put(path, json=body)) == (428, "version-required", set())
    changed = client.put(path, json=body, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["endpoints"][0]["port"]) == (
        200,
        '"2"',
        11112,
    )
    assert rooms.peers.known.move_destination("ARCHIVE") is None
    for tag in ('"1"', '"x"'):
        assert problem(client.put(path, json=body, headers={"If-Match": tag}))[:2] == (412, "stale-version")
        assert problem(client.delete(path, headers={"If-Match": tag}))[:2] == (412, "stale-version")
    removed = client.delete(path, headers={"If-Match": '"2"'})
    assert removed.json()["ended"]
    assert client.get(path).json() == removed.json()
    assert problem(client.delete(path))[:2] == (409, "conflict")
    assert rooms.peers.known.find("ARCHIVE") is None
    assert client.get("/api/v1/peers").json() == {"items": [], "next": None}
    assert problem(client.get("/api/v1/peers/99"))[:2] == (404, "not-found")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({**PEER, "nmae": "A"}, {"nmae"}),
        ({**PEER, "services": ["print"]}, {"services[0]"}),
        ({**PEER, "rights": ["everything"]}, {"rights[0]"}),
        ({**PEER, "endpoints": [{**DIMSE, "port": "104"}]}, {"endpoints[0].port"}),
        ({**PEER, "endpoints": [{"kind": "fax"}]}, {"endpoints[0].kind"}),
        (
            {**PEER, "endpoints": [{**DIMSE, "port": 0, "ae_title": "A\\B"}]},
            {"endpoints[0].port", "endpoints[0].ae_title"},
        ),
        ({**PEER, "endpoints": [{**DIMSE, "id": 1}]}, {"endpoints[0].id"}),
        ({**PEER, "endpoints": [{**DIMSE, "id": 2**70}]}, {"endpoints[0].id"}),
        ({**PEER, "ae_titles": ["\x00"]}, {"ae_titles[0]"}),
        # What is beyond the bound is not looked at.
        ({**PEER, "ae_titles": ["A"] * 33, "hosts": ["a b"] * 33}, {"ae_titles", "hosts"}),
        ({**PEER, "endpoints": [{**DIMSE, "port": 0}] * 33}, {"endpoints"}),
        ({**PEER, "services": ["echo"] * 33, "rights": ["reject"] * 33}, {"services", "rights"}),
        ({**PEER, "hosts": ["a" * 1001]}, {"hosts[0]"}),
        ({**PEER, "endpoints": [{**DIMSE, "host": "a" * 1001}]}, {"endpoints[0].host"}),
        ({"name": "\ud800"}, {"name"}),
    ],
    ids=lambda each: ", ".join(sorted(each)) if isinstance(each, set) else "body",
)
def test_what_is_wrong_is_named(client: httpx.Client, body: dict[str, Any], fields: set[str]) -> None:
    answer = client.post(
        "/api/v1/peers", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert problem(answer) == (422, "refused-content", fields)


def test_the_list_has_pages_and_finds_by_name_and_title(client: httpx.Client) -> None:
    for name in ("b", "a", "c"):
        add(client, {"name": name, "ae_titles": [name.upper()]})
    first = client.get("/api/v1/peers?limit=2").json()
    rest = client.get("/api/v1/peers", params={"limit": 2, "cursor": first["next"]}).json()
    assert [peer["name"] for peer in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next"] is None
    for asked, found in (("b", ["b"]), ("C", ["c"]), ("d", [])):
        items = client.get("/api/v1/peers", params={"known_as": asked}).json()["items"]
        assert [peer["name"] for peer in items] == found
    assert problem(client.get("/api/v1/peers?cursor=x")) == (422, "refused-content", {"cursor"})
    path = f"/api/v1/peers/{first['items'][0]['id']}"
    client.delete(path)
    assert len(client.get("/api/v1/peers?ended=true").json()["items"]) == 3


def test_rows_of_the_settings_are_read_only(client: httpx.Client, rooms: Rooms) -> None:
    wanted = WantedPeer("CT1", ae_titles=("CT1",))

    def start(transaction: Connection) -> list[str]:
        return mirror(transaction, [wanted], [], "one", clock())

    rooms.catalog.write(start)
    (peer,) = client.get("/api/v1/peers").json()["items"]
    assert peer["origin"] == "settings"
    path = f"/api/v1/peers/{peer['id']}"
    for answer in (
        client.put(path, json={"name": "CT1"}, headers={"If-Match": '"1"'}),
        client.delete(path),
    ):
        assert problem(answer)[:2] == (409, "conflict")
        assert "[[entities]] in kinote.toml" in answer.json()["detail"]


def test_an_echo_is_a_sentence(client: httpx.Client) -> None:
    folder = {"kind": "folder", "path": "/srv/out"}
    peer = add(client, {**PEER, "endpoints": [folder, DIMSE]})
    path = f"/api/v1/peers/{peer['id']}"
    of_folder, of_dimse = (endpoint["id"] for endpoint in peer["endpoints"])
    assert client.post(f"{path}/echo").json() == {
        "answers": True,
        "sentence": "Archive at ARCHIVE@10.1.2.3:104 answers, in 1 ms.",
        "milliseconds": 1,
        "endpoint": of_dimse,
    }
    assert client.post(f"{path}/echo?endpoint={of_folder}").json()["endpoint"] == of_folder
    assert problem(client.post(f"{path}/echo?endpoint=99"))[:2] == (404, "not-found")
    caller = add(client, {"name": "Caller", "ae_titles": ["CALLER"]})
    assert problem(client.post(f"/api/v1/peers/{caller['id']}/echo"))[:2] == (409, "conflict")
    client.delete(path)
    assert problem(client.post(f"{path}/echo"))[:2] == (409, "conflict")


def test_a_destination_is_added_read_changed_and_removed(client: httpx.Client) -> None:
    peer = add(client)
    (endpoint,) = peer["endpoints"]
    wanted = {"name": "Station", "endpoint": endpoint["id"], "policy": {"content": "key images"}}
    answer = client.post("/api/v1/destinations", json=wanted)
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    path = answer.headers["location"]
    found = answer.json()
    assert found["policy"] == {
        "content": "key images",
        "associations": 1,
        "rejection_notes": False,
        "availability": False,
        "transfer_syntaxes": [],
        "bytes_per_second": 0,
        "hours": "",
        "downtime_from": "",
        "downtime_until": "",
        "downtime_why": "",
        "queried": True,
        "pulled": "all",
        "pulled_without_notes": "all",
    }
    assert (found["peer"], found["kind"], found["hindrance"]) == (
        {"id": peer["id"], "name": "Archive"},
        "dimse",
        None,
    )
    assert client.get(path).json() == found
    assert client.get("/api/v1/destinations?name=Station").json()["items"] == [found]
    for name in ("Other", "\0"):
        assert client.get("/api/v1/destinations", params={"name": name}).json()["items"] == []
    assert client.get("/api/v1/destinations").json() == {"items": [found], "next": None}
    refused = client.delete(f"/api/v1/peers/{peer['id']}")
    assert problem(refused)[:2] == (409, "conflict")
    at_night = {**wanted, "name": "At night", "policy": {"hours": "night"}}
    assert problem(client.post("/api/v1/destinations", json=at_night)) == (
        422,
        "refused-content",
        {"policy.hours"},
    )
    assert problem(client.post("/api/v1/destinations", json=wanted)) == (422, "refused-content", {"name"})
    disabled = {**wanted, "enabled": False}
    assert problem(client.put(path, json=disabled))[:2] == (428, "version-required")
    changed = client.put(path, json=disabled, headers={"If-Match": '"1"'}).json()
    assert (changed["version"], changed["hindrance"]) == (2, "The destination is disabled.")
    assert client.delete(path, headers={"If-Match": '"2"'}).json()["ended"]
    assert client.get("/api/v1/destinations").json()["items"] == []
    assert len(client.get("/api/v1/destinations?ended=true").json()["items"]) == 1
    assert problem(client.get("/api/v1/destinations/99"))[:2] == (404, "not-found")


def test_who_is_let_in_by_address_needs_one(rooms: Rooms) -> None:
    guarded = replace(rooms, options=replace(rooms.options, hosts_needed=True))
    with (
        running(create_application(guarded)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
    ):
        caller = {"name": "CT1", "ae_titles": ["CT1"]}
        assert problem(client.post("/api/v1/peers", json=caller)) == (422, "refused-content", {"hosts"})
        assert client.post("/api/v1/peers", json={**caller, "hosts": ["ct.example"]}).status_code == 201
