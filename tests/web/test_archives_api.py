"""Archives by REST: set, asked, resumed, evicted from, ended."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import archive, instance, location
from kinote.lifecycle.archives.promises import acknowledged, suspend
from kinote.web.rooms import Rooms
from tests.clock import clock
from tests.web.objects import SERIES, STUDY, as_file, image

FIRST = f"{SERIES}.1"


@pytest.fixture
def kept(client: httpx.Client, rooms: Rooms) -> int:
    """The number of a peer that is an archive, which has acknowledged an image."""
    body = {
        "name": "Archive",
        "endpoints": [{"kind": "dimse", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": 4}],
    }
    peer = int(client.post("/api/v1/peers", json=body).json()["id"])
    assert client.put(f"/api/v1/archives/{peer}", json={"renew_days": 30}).status_code == 200
    client.post(
        "/dicomweb/studies",
        content=as_file(image(1, rows=256, columns=256)),
        headers={"Content-Type": "application/dicom"},
    )

    def acknowledge(transaction: Connection) -> None:
        row = transaction.execute(select(instance.c.id, instance.c.digest)).one()
        assert acknowledged(transaction, peer, [(row.id, row.digest)], clock()) == 1

    rooms.catalog.write(acknowledge)
    return peer


def test_an_archive_is_set_and_changed(client: httpx.Client, kept: int) -> None:
    answer = client.get(f"/api/v1/archives/{kept}")
    found = answer.json()
    assert (found["peer"]["name"], found["policy"]["renew_days"]) == ("Archive", 30)
    assert found["evidence"] | {"oldest": None} == {
        "acknowledged": 1,
        "committed": 0,
        "too_old": 0,
        "oldest": None,
    }
    assert "No recall has proved" in found["hindrance"]
    path = f"/api/v1/archives/{kept}"
    assert client.put(path, json={}, headers={"If-Match": '"7"'}).status_code == 412
    changed = client.put(path, json={"commitment": "none"}, headers={"If-Match": answer.headers["ETag"]})
    assert (changed.json()["policy"]["commitment"], changed.json()["version"]) == ("none", 2)
    assert client.put(path, json={"commitment": "dicomweb"}).status_code == 422
    assert client.put(path, json={"renew_days": 0}).status_code == 422
    assert client.put("/api/v1/archives/99", json={}).status_code == 404
    assert [each["peer"]["id"] for each in client.get("/api/v1/archives").json()["items"]] == [kept]


def test_what_people_do_with_an_archive(client: httpx.Client, rooms: Rooms, kept: int) -> None:
    path = f"/api/v1/archives/{kept}"
    assert client.post(f"{path}/commit").status_code == 202
    assert client.get(f"{path}/requests").json() == {"items": [], "next": None}
    rooms.catalog.write(lambda tx: suspend(tx, kept, "It has lost something.", clock()))
    assert client.get(path).json()["suspended"]["reason"] == "It has lost something."
    assert client.post(f"{path}/resume").json()["suspended"] is None
    # It has committed to nothing, so there is nothing to prove or evict.
    assert client.post(f"{path}/recall", json={}).status_code == 502
    assert client.post(f"{path}/evict", json={}).status_code == 400
    said = client.post(f"{path}/evict", json={"studies": [STUDY]}).json()
    assert (said["evicted"], said["kept"]) == (0, 1)
    assert said["reasons"][0]["sop_instance_uid"] == FIRST


def test_what_is_evicted_is_counted_and_keeps_the_archive(
    client: httpx.Client, rooms: Rooms, kept: int
) -> None:
    def prove(transaction: Connection) -> None:
        transaction.execute(archive.update().values(proof="proved"))
        transaction.execute(location.update().values(evidence="committed"))

    rooms.catalog.write(prove)
    path = f"/api/v1/archives/{kept}"
    said = client.post(f"{path}/evict", json={"instances": [FIRST]}).json()
    assert (said["evicted"], said["kept"], said["reasons"]) == (1, 0, [])
    assert said["bytes"] > 256 * 256
    assert client.delete(path).status_code == 409
    # Queries and metadata are answered as before; the bytes are somewhere else.
    assert client.get(f"/dicomweb/studies/{STUDY}/metadata").status_code == 200
    answer = client.get(f"/dicomweb/studies/{STUDY}/series/{SERIES}/instances/{FIRST}")
    assert answer.status_code == 503
    sentences = client.get(f"/api/v1/instances/{FIRST}/explain").text
    assert "The archive 'Archive' has committed to it at" in sentences


def test_an_archive_that_nothing_is_at_ends(client: httpx.Client, kept: int) -> None:
    assert client.delete(f"/api/v1/archives/{kept}").status_code == 200
    assert client.get(f"/api/v1/archives/{kept}").status_code == 404
