"""What is answered where the bytes of a live instance cannot be had."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import update

from kinote.catalog.schema.tables import instance
from kinote.keyobject.writer import encode_file
from kinote.web.application import Rooms
from tests.keyobject.documents import document
from tests.web.objects import INSTANCE, INSTANCES, SERIES, STUDY, as_file, image
from tests.web.test_retrieve import ANY, dataset_of, parts, store

ANSWERS = {
    "damaged": (500, "bytes-damaged"),
    "none": (410, "bytes-gone"),
    "remote": (503, "bytes-elsewhere"),
    "derivable": (503, "bytes-not-made"),
}

RESOURCES = (
    "",
    "?accept=application/dicom",
    "/frames/1",
    "/rendered",
    "/thumbnail",
    "/frames/1/rendered",
    "/frames/1/thumbnail",
    "/bulkdata/7FE00010",
)


def its_bytes_are(rooms: Rooms, uid: str, residence: str) -> None:
    rooms.catalog.write(
        lambda transaction: transaction.execute(
            update(instance).where(instance.c.sop_instance_uid == uid).values(residence=residence)
        )
    )


@pytest.fixture
def stored(client: httpx.Client) -> httpx.Client:
    """A server with three images."""
    store(client, *(as_file(image(number)) for number in (1, 2, 3)))
    return client


@pytest.mark.parametrize("residence", ANSWERS)
def test_each_resource_says_why(stored: httpx.Client, rooms: Rooms, residence: str) -> None:
    its_bytes_are(rooms, INSTANCE, residence)
    for resource in RESOURCES:
        answer = stored.get(f"{INSTANCES}/{INSTANCE}{resource}")
        assert answer.headers["content-type"] == "application/problem+json", resource
        said = answer.json()
        assert (answer.status_code, said["type"].rpartition(":")[2]) == ANSWERS[residence], resource
        assert f": instance {INSTANCE}." in said["detail"]
    # What was prepared when it came is in the index, and is right.
    assert stored.get(f"{INSTANCES}/{INSTANCE}/metadata").json()[0]["00080018"]["Value"] == [INSTANCE]


def test_the_others_of_a_study_go_out_and_the_answer_says_that_it_is_not_whole(
    stored: httpx.Client, rooms: Rooms
) -> None:
    its_bytes_are(rooms, f"{SERIES}.2", "damaged")
    answer = stored.get(f"/dicomweb/studies/{STUDY}", headers={"Accept": ANY})
    assert answer.status_code == 206
    assert answer.headers["warning"] == (
        '299 kinote "the bytes of 1 instances cannot be had: ask for each to see why"'
    )
    uids = [str(dataset_of(file).SOPInstanceUID) for _, file in parts(answer)]
    assert uids == [f"{SERIES}.1", f"{SERIES}.3"]
    # The one in the middle would be it.
    assert stored.get(f"/dicomweb/studies/{STUDY}/thumbnail").status_code == 200


def test_where_nothing_can_be_had_the_answer_is_no_empty_one(stored: httpx.Client, rooms: Rooms) -> None:
    for number in (1, 2, 3):
        its_bytes_are(rooms, f"{SERIES}.{number}", "damaged")
    answer = stored.get(f"/dicomweb/studies/{STUDY}", headers={"Accept": ANY})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:kinote:problem:bytes-damaged")


def test_the_header_of_an_object_in_the_index_is_not_made_of_damaged_bytes(
    client: httpx.Client, rooms: Rooms
) -> None:
    written = document()
    client.post(
        "/api/v1/objects", content=encode_file(written), headers={"Content-Type": "application/dicom"}
    )
    (found,) = client.get("/dicomweb/instances").json()
    uids = {tag: found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")}
    address = f"/dicomweb/studies/{uids['0020000D']}/series/{uids['0020000E']}/instances/{uids['00080018']}"
    assert client.get(f"{address}/metadata").status_code == 200
    its_bytes_are(rooms, uids["00080018"], "damaged")
    assert client.get(f"{address}/metadata").status_code == 500
    assert client.get(f"{address}/rendered").status_code == 500
    assert client.post(f"/api/v1/instances/{uids['00080018']}/register").status_code == 500


def test_queries_and_explanations_tell_it(stored: httpx.Client, rooms: Rooms) -> None:
    its_bytes_are(rooms, INSTANCE, "damaged")
    (found,) = stored.get(f"/dicomweb/instances?SOPInstanceUID={INSTANCE}").json()
    assert found["00080056"]["Value"] == ["UNAVAILABLE"]
    (copy,) = stored.get(f"/api/v1/instances/{INSTANCE}/explain").json()["items"]
    assert (copy["residence"], copy["visible"]) == ("damaged", True)
    assert any("damaged" in sentence for sentence in copy["sentences"])
    account = stored.get(f"/api/v1/studies/{STUDY}/account").json()
    assert account["by_residence"]["damaged"]["sop_instance_uids"] == [INSTANCE]
    assert account["by_residence"]["local"]["count"] == 2


def test_a_summary_names_what_it_cannot_show(stored: httpx.Client, rooms: Rooms) -> None:
    title = {"scheme": "DCM", "value": "113000"}
    asked = {"title": title, "description": "A nodule", "references": [{"sop_instance_uid": INSTANCE}]}
    address = stored.post(f"/api/v1/studies/{STUDY}/notes", json=asked).headers["location"]
    assert "<img" in stored.get(f"{address}/rendered").text
    its_bytes_are(rooms, INSTANCE, "damaged")
    shown = stored.get(f"{address}/rendered").text
    assert "<img" not in shown
    assert "its bytes are damaged" in shown
