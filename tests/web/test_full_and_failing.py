"""While nothing can be written, every interface says so, and goes on afterwards; images leave room for notes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from kinote.command.store.client import Client
from kinote.intake.importing import Report, import_sources, local_sink
from kinote.intake.outcome import OUT_OF_RESOURCES
from kinote.media.sources import sources
from kinote.security.origins import Interface, Origin
from kinote.storage import volume
from kinote.web.rooms import Rooms
from tests.actors import ROE
from tests.web.objects import STUDY, as_file, image

DICOM = {"Content-Type": "application/dicom"}


def _note(client: httpx.Client) -> httpx.Response:
    body = {
        "title": {"scheme": "DCM", "value": "113000"},
        "description": "seen",
        "author": {"name": "Roe^Richard"},
        "references": [{"sop_instance_uid": image().SOPInstanceUID}],
    }
    return client.post(f"/api/v1/studies/{STUDY}/notes", json=body)


def _object(client: httpx.Client, number: int = 7) -> httpx.Response:
    return client.post("/api/v1/objects", content=as_file(image(number)), headers=DICOM)


def _stow(client: httpx.Client) -> httpx.Response:
    return client.post("/dicomweb/studies", content=as_file(image(8)), headers=DICOM)


@pytest.fixture
def read_only(rooms: Rooms, client: httpx.Client) -> Callable[[], None]:
    """The index takes nothing more from here on, until what this gives is called."""
    assert _object(client, 1).json()["kind"] == "stored"
    driver: Any = rooms.catalog.write(lambda transaction: transaction.connection.driver_connection)
    driver.execute("PRAGMA query_only = ON")
    return lambda: driver.execute("PRAGMA query_only = OFF")


def test_an_index_that_takes_nothing_is_told_by_every_interface_that_writes(
    client: httpx.Client, read_only: Callable[[], None]
) -> None:
    for name, problem in ((_note, "index-read-only"), (_object, "out-of-resources")):
        answer = name(client)
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert answer.json()["type"] == f"urn:kinote:problem:{problem}"
        assert answer.headers["Retry-After"].isdecimal()
    stored = _stow(client)
    assert stored.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert stored.headers["Retry-After"].isdecimal()
    assert stored.json()["00081198"]["Value"][0]["00081197"]["Value"] == [OUT_OF_RESOURCES]
    assert client.get("/dicomweb/studies").status_code == httpx.codes.OK
    read_only()
    assert _note(client).status_code == httpx.codes.CREATED
    assert _object(client).json()["kind"] == "stored"


def test_images_leave_room_for_notes(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _object(client, 1).json()["kind"] == "stored"
    almost = SimpleNamespace(f_blocks=10**9, f_frsize=4096, f_bavail=volume.RESERVED // 4096 - 1)
    monkeypatch.setattr(os, "statvfs", lambda path: almost)
    for dataset in (image(2), image(3, rows=512, columns=512)):
        refused = client.post("/api/v1/objects", content=as_file(dataset), headers=DICOM)
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "reserved for notes" in refused.json()["detail"]
    made = _note(client)
    assert made.status_code == httpx.codes.CREATED
    withdrawn = client.delete(f"/api/v1/notes/{made.json()['id']}?reason=wrong", headers={"If-Match": '"1"'})
    assert withdrawn.is_success
    monkeypatch.undo()
    assert _object(client, 2).json()["kind"] == "stored"


def test_an_import_ends_at_the_first_object_that_nothing_can_be_done_about(
    rooms: Rooms, tmp_path: Path, read_only: Callable[[], None]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.dcm").write_bytes(as_file(image(100 + number)))
    report = Report()
    for imported in import_sources(
        sources([folder]), local_sink(rooms.receiver, Origin(Interface.IMPORT, ROE))
    ):
        report.add(imported)
    assert report.stopped_at is not None
    assert report.counts["refused"] < 150
    assert report.counts["stored"] == 0


def test_a_command_is_told_by_the_server_that_nothing_can_be_taken(
    address: str, read_only: Callable[[], None], tmp_path: Path
) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(as_file(image(9)))
    client = Client(address, httpx.HTTPTransport())
    with file.open("rb") as content:
        outcome = client.store(content).result()
    client.close()
    assert outcome.status == OUT_OF_RESOURCES
