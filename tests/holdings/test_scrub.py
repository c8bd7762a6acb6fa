"""The scrub reads everything: what differs is damaged, digests of before are renewed (law 7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinote.app import open_application
from kinote.catalog.changes import Kind
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.scrubbing import scrub as scrub_module
from kinote.holdings.scrubbing.scrub import Scrubbed, scrub, scrub_after
from kinote.settings.model import Settings
from kinote.storage.digests import BLAKE3
from tests.actors import ORIGIN
from tests.clock import clock
from tests.command_line import kinote
from tests.holdings.stored_objects import CHANGES, Shelf
from tests.intake.objects import image
from tests.running_server import RunningServer

KINDS = ("in a pack", "small", "large", "in the index")


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def scrubbed(shelf: Shelf, *, store_is_there: bool = True) -> Scrubbed:
    return scrub(shelf.catalog, shelf.stores, clock, store_is_there=lambda _: store_is_there)


def test_everything_is_read_once(shelf: Shelf) -> None:
    passed: list[None] = []
    found = scrub(
        shelf.catalog,
        shelf.stores,
        clock,
        store_is_there=lambda _: True,
        passed=lambda: passed.append(None),
    )
    size = sum(len(shelf.data_set(name)) for name in KINDS)
    assert found == Scrubbed(objects=len(KINDS), bytes=size)
    assert len(passed) == len(KINDS)


def test_pages_follow_each_other(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub_module, "_PAGE", 1)
    assert scrubbed(shelf).objects == len(KINDS)


def test_what_is_read_at_once_has_a_bound(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub_module, "_AT_ONCE", 1)
    position: int | None = 0
    read = []
    while position is not None:
        some, position = scrub_after(
            shelf.catalog, shelf.stores, clock, position, store_is_there=lambda _: True
        )
        read.append(some.objects)
    assert read == [1] * len(KINDS)


@pytest.mark.parametrize("change", CHANGES)
def test_law_7_what_differs_is_found_before_anybody_asks_for_it(shelf: Shelf, change: str) -> None:
    for name in KINDS:
        shelf.change(name, CHANGES[change])
    found = scrubbed(shelf)
    assert (found.objects, found.damaged, found.unreadable) == (len(KINDS), len(KINDS), 0)
    assert [shelf.residence(name) for name in KINDS] == ["damaged"] * len(KINDS)
    assert sorted(shelf.happened(Kind.INSTANCE_DAMAGED)) == sorted(shelf.uids[name] for name in KINDS)
    assert scrubbed(shelf) == Scrubbed()


def test_digests_of_before_are_renewed(shelf: Shelf) -> None:
    for name in KINDS:
        shelf.with_older_digest(name)
    assert scrubbed(shelf).renewed == len(KINDS)
    assert [shelf.stored(name).digest_algorithm for name in KINDS] == [BLAKE3] * len(KINDS)
    assert shelf.digests("large") == (BLAKE3, 10)
    assert scrubbed(shelf).renewed == 0


def test_a_store_that_is_not_there_damages_nothing(shelf: Shelf) -> None:
    for name in ("in a pack", "small", "large"):
        shelf.change(name, CHANGES["missing"])
    found = scrubbed(shelf, store_is_there=False)
    assert (found.damaged, found.unreadable) == (0, 3)
    assert {shelf.residence(name) for name in KINDS} == {"local"}


def test_what_cannot_be_read_is_counted_and_the_others_are_read(shelf: Shelf) -> None:
    path = shelf.path("small")
    path.unlink()
    path.mkdir()
    found = scrubbed(shelf)
    assert (found.objects, found.damaged, found.unreadable) == (len(KINDS), 0, 1)
    assert shelf.residence("small") == "local"


def test_breach_of_law_7_a_scrub_that_compares_nothing_is_noticed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_module, "look_through", lambda *_: None)
    shelf.change("small", CHANGES["altered"])
    assert scrubbed(shelf).damaged == 0
    assert shelf.residence("small") == "local"


def test_the_doctor_scrubs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with open_application(Settings.model_validate({"data": data})) as application:
        for number, rows in ((1, 16), (2, 4000)):
            upload = application.receiver.open(ORIGIN)
            upload.write(image(number, rows=rows))
            assert upload.finish().result(60).kind == "stored"
    first = kinote("doctor", "--scrub", "--data", data, "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["objects"] == 2
    (file,) = (data / "objects").rglob("*.dcm")
    file.write_bytes(file.read_bytes()[:-10])
    second = kinote("doctor", "--scrub", "--data", data, cwd=tmp_path)
    assert second.returncode == 1
    assert "1 are damaged" in second.stdout


def test_the_doctor_scrubs_through_a_running_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("KINOTE_SCRUB_DAYS", "0")
    with open_application(Settings.model_validate({"data": data})) as application:
        for number in range(120):
            upload = application.receiver.open(ORIGIN)
            upload.write(image(number, rows=4000 if number == 7 else 16))
            assert upload.finish().result(60).kind == "stored"
    (file,) = (data / "objects").rglob("*.dcm")
    file.write_bytes(file.read_bytes()[:-10])
    server = RunningServer(data)
    try:
        first = kinote("doctor", "--scrub", "--data", data, "--json", cwd=tmp_path)
        assert first.returncode == 1, first.stderr
        said = json.loads(first.stdout)
        assert (said["objects"], said["damaged"], said["unreadable"]) == (120, 1, 0)
        second = kinote("doctor", "--scrub", "--data", data, "--json", cwd=tmp_path)
        assert (second.returncode, json.loads(second.stdout)["objects"]) == (0, 119)
    finally:
        server.stop()
