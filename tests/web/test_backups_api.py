"""Backups by the REST API: begun, followed until they end, and listed with the last good one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from kinote.backup.making import Source
from kinote.backup.running import BackupOptions, Backups
from kinote.web.application import Rooms
from tests.actors import ROE
from tests.clock import clock
from tests.laws.product import Client

LIMIT = 60


@pytest.fixture
def rooms(rooms: Rooms, tmp_path: Path) -> Iterator[Rooms]:
    source = Source(
        rooms.catalog,
        f"sqlite:///{tmp_path / 'index.db'}",
        "here",
        tmp_path / "data" / "objects",
        tmp_path / "data" / "packs",
        tmp_path / "data" / "journal",
    )
    making = Backups(source, BackupOptions(tmp_path / "backups"), clock, "")
    yield replace(rooms, backups=making)
    making.close()


def test_a_backup_is_made_once_for_a_key_and_followed(client: httpx.Client, tmp_path: Path) -> None:
    assert client.get("/api/v1/backups").json() == {
        "items": [],
        "next": None,
        "last_good": None,
        "warning": None,
    }
    asked = [
        client.post("/api/v1/backups", json={"images": True}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert [each.status_code for each in asked] == [202, 202]
    assert asked[0].json() == asked[1].json()
    key = asked[0].json()["id"]
    deadline = time.monotonic() + LIMIT
    while (row := client.get(f"/api/v1/backups/{key}").json())["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (row["state"], Path(row["folder"]).parent) == ("good", tmp_path / "backups")
    page = client.get("/api/v1/backups").json()
    assert (page["items"], page["last_good"]) == ([row], row)


def test_what_is_not_there_and_what_is_not_taken(client: httpx.Client) -> None:
    assert client.get("/api/v1/backups/7").status_code == 404
    assert client.post("/api/v1/backups", json={"folder": "/etc"}).status_code == 422
    assert client.get("/api/v1/journal").json() == {"items": [], "next": None}


def test_a_last_good_backup_that_is_too_old_is_said(rooms: Rooms, tmp_path: Path) -> None:
    making = rooms.backups
    assert making is not None
    row = rooms.catalog.write(lambda transaction: making.ask(transaction, ROE))
    making.begin(row["id"])
    assert making._thread is not None
    making._thread.join()
    for hours, is_late in ((1, False), (3, True)):
        options = BackupOptions(tmp_path / "backups", every=timedelta(hours=1))
        later = Backups(making._source, options, lambda hours=hours: clock() + timedelta(hours=hours), "")  # type: ignore[misc]
        opened = Client(replace(rooms, backups=later))
        try:
            page = opened.get("/api/v1/backups").json()
        finally:
            opened.close()
        assert page["last_good"]["state"] == "good"
        assert ("last good backup is of" in (page["warning"] or "")) is is_late
