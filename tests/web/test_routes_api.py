"""Routes by the REST API and by `kinote routes`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from kinote.delivery.routing.checks import faults_of_route
from kinote.delivery.routing.following import RouteFollower
from kinote.delivery.routing.from_settings import SettingsRoute, mirror_routes
from kinote.delivery.routing.route import Conditions, Title, Trigger, WantedRoute
from kinote.peers.destination import Content
from kinote.peers.known import PeersInUse
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.web.objects import as_file, image, multipart
from tests.web.test_peers_api import PEER, add, problem


@pytest.fixture
def rooms(rooms: Rooms) -> Rooms:
    return replace(rooms, peers=PeersInUse(rooms.catalog))


@pytest.fixture
def destination(client: httpx.Client) -> int:
    endpoint = add(client, PEER)["endpoints"][0]["id"]
    answer = client.post("/api/v1/destinations", json={"name": "Surgery", "endpoint": endpoint})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def body(destination: int, **parts: Any) -> dict[str, Any]:
    return {"name": "For surgery", "destination": destination, "triggers": ["note made"], **parts}


def test_a_route_is_added_read_changed_and_removed(client: httpx.Client, destination: int) -> None:
    wanted = body(
        destination, conditions={"titles": [{"value": "113004"}], "oldest_days": 7}, content="notes"
    )
    answer = client.post("/api/v1/routes", json=wanted)
    assert answer.status_code == 201, answer.text
    added = answer.json()
    path = f"/api/v1/routes/{added['id']}"
    assert answer.headers["location"] == path
    assert added["conditions"]["titles"] == [{"value": "113004", "scheme": "DCM"}]
    assert (added["destination"]["name"], added["content"], added["results"]) == ("Surgery", "notes", {})
    assert client.get("/api/v1/routes?name=For surgery").json()["items"][0]["id"] == added["id"]

    changed = client.put(path, json={**wanted, "training": True}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["training"], changed.headers["etag"]) == (200, True, '"2"')
    stale = client.put(path, json=wanted, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert client.put(path, json=wanted).status_code == 428
    assert client.delete(path, headers={"If-Match": "*"}).json()["ended"]
    assert client.get("/api/v1/routes").json()["items"] == []
    assert len(client.get("/api/v1/routes?ended=true").json()["items"]) == 1
    assert client.get("/api/v1/routes/99").status_code == 404


def test_what_is_wrong_with_a_route_is_named_by_its_field(client: httpx.Client, destination: int) -> None:
    conditions = {"titles": [{"value": "113001"}], "sources": ["SEVENTEEN LETTERS"], "studies": ["no UID"]}
    answer = client.post("/api/v1/routes", json=body(99, triggers=[], conditions=conditions, priority=10))
    assert problem(answer)[2] == {
        "destination",
        "triggers",
        "priority",
        "conditions.titles[0]",
        "conditions.sources[0]",
        "conditions.studies[0]",
    }
    assert problem(client.post("/api/v1/routes", json=body(destination, condition={})))[2] == {"condition"}
    client.post("/api/v1/routes", json=body(destination))
    assert problem(client.post("/api/v1/routes", json=body(destination)))[2] == {"name"}


def test_a_dry_run_and_the_results_are_listed(client: httpx.Client, rooms: Rooms, destination: int) -> None:
    RouteFollower(rooms.catalog, rooms.clock).step()
    route = client.post("/api/v1/routes", json=body(destination, content="key images", training=True)).json()
    content, headers = multipart([as_file(image(1))])
    client.post("/dicomweb/studies", content=content, headers=headers)
    note = {
        "title": {"scheme": "DCM", "value": "113000"},
        "references": [{"sop_instance_uid": "1.2.3.4.1"}],
        "author": {"name": "Doe^Jane"},
    }
    made = client.post("/api/v1/studies/1.2.3/notes", json=note).json()
    path = f"/api/v1/routes/{route['id']}"

    (said,) = client.get(f"{path}/dry-run?days=365").json()["items"]
    assert (said["note"], said["objects"], said["there"]) == (made["id"], 2, 0)
    assert "1.2.3.4.1" in said["named"]
    RouteFollower(rooms.catalog, rooms.clock).step()
    (result,) = client.get(f"{path}/results").json()["items"]
    assert (result["outcome"], result["objects"], result["note"]) == ("would order", 2, made["id"])
    assert client.get(path).json()["results"] == {"would order": 1}


@pytest.mark.parametrize(
    ("parts", "fields"),
    [
        pytest.param({}, set(), id="nothing wrong"),
        pytest.param({"quiet_seconds": 0}, {"quiet_seconds"}, id="no time to be quiet"),
        pytest.param({"triggers": (Trigger.NOTE_MADE,) * 2}, {"triggers"}, id="twice the same"),
        pytest.param(
            {"conditions": Conditions(oldest_days=1, youngest_days=2)},
            {"conditions.youngest_days"},
            id="never true",
        ),
        pytest.param(
            {"conditions": Conditions(has_notes=False)}, {"conditions.has_notes"}, id="a note without notes"
        ),
        pytest.param(
            {
                "triggers": (Trigger.STUDY_QUIET,),
                "content": Content.KEY_IMAGES,
                "conditions": Conditions(has_notes=False, titles=(Title("113000"),)),
            },
            {"content", "conditions.titles"},
            id="key images without notes",
        ),
        pytest.param(
            {"conditions": Conditions(modalities=("",), note_origins=("dreamt",), sop_classes=("x",))},
            {"conditions.modalities[0]", "conditions.note_origins[0]", "conditions.sop_classes[0]"},
            id="values that are none",
        ),
        pytest.param(
            {"conditions": Conditions(patients=tuple(map(str, range(101))))},
            {"conditions.patients"},
            id="too many",
        ),
    ],
)
def test_an_option_that_cannot_act_is_refused(parts: dict[str, Any], fields: set[str]) -> None:
    wanted = replace(WantedRoute("Route", 1, (Trigger.NOTE_MADE,)), **parts)
    found = {fault.field for fault in faults_of_route(wanted, None)}
    assert found == fields | {"destination"}


def test_routes_of_the_settings_are_read_only_and_end_with_them(
    client: httpx.Client, rooms: Rooms, destination: int
) -> None:
    def mirror(*routes: SettingsRoute) -> list[str]:
        def work(transaction: Connection) -> list[str]:
            return mirror_routes(transaction, routes, "node", clock())

        return rooms.catalog.write(work)

    wanted = WantedRoute("For surgery", 0, (Trigger.NOTE_MADE,))
    assert mirror(SettingsRoute("Surgery", wanted)) == []
    assert mirror(SettingsRoute("Surgery", wanted)) == []
    (listed,) = client.get("/api/v1/routes").json()["items"]
    assert (listed["origin"], listed["version"], listed["destination"]["id"]) == ("settings", 1, destination)
    path = f"/api/v1/routes/{listed['id']}"
    assert client.delete(path, headers={"If-Match": "*"}).status_code == 409
    (remark,) = mirror(SettingsRoute("Nowhere", wanted))
    assert "there is no destination 'Nowhere'" in remark
    assert client.get("/api/v1/routes").json()["items"] == []


def test_routes_survive_their_json_form() -> None:
    from kinote.delivery.routing.route import conditions_of

    conditions = Conditions(
        titles=(Title("113004"), Title("X", "99Y")), modalities=("CT",), oldest_days=3, has_notes=True
    )
    written = WantedRoute("Route", 1, (Trigger.STUDY_QUIET,), conditions).columns()["definition"]
    assert conditions_of(json.loads(written)["conditions"]) == conditions
