"""Start-up recovery: bytes without a row are set aside, and too many of them are not touched (law 8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from kinote import app
from kinote.catalog.transactions import Catalog
from kinote.holdings import removal
from kinote.holdings.health import health
from kinote.holdings.recovery import Recovered, recover
from kinote.intake.receiver import Receiver
from kinote.settings.model import Settings
from kinote.storage.local import LocalStorage
from tests.intake.objects import image

NOW = datetime.now(UTC)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "data")


@pytest.fixture
def receiver(catalog: Catalog, storage: LocalStorage) -> Iterator[Receiver]:
    receiver = Receiver(catalog, storage)
    yield receiver
    receiver.close()


def store(receiver: Receiver, number: int = 1) -> None:
    upload = receiver.open("test")
    upload.write(image(number))
    assert upload.finish().result(30).kind == "stored"


def left_behind(storage: LocalStorage, content: bytes, *, placed: bool) -> Path:
    """A file as a kill leaves it: while it was received, or in its place and without its row."""
    file = storage.receive()
    file.write(content)
    file.finish()
    if placed:
        storage.place([file])
        return storage.path(file.key)
    return file.path


def bytes_below(folder: Path) -> list[bytes]:
    """The contents of all files of objects, wherever they are."""
    return sorted(
        file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.suffix != ".json"
    )


def test_law_8_recovery_leaves_no_bytes_without_a_row_and_deletes_none(
    catalog: Catalog, storage: LocalStorage, receiver: Receiver, tmp_path: Path
) -> None:
    store(receiver)
    (kept,) = (key for keys in storage.keys_since("") for key in keys)
    left = [left_behind(storage, b"placed", placed=True), left_behind(storage, b"arriving", placed=False)]
    before = bytes_below(tmp_path / "data")
    assert recover(catalog, storage, NOW) == Recovered(set_aside=2)
    assert [key for keys in storage.keys_since("") for key in keys] == [kept]
    assert storage.arriving() == []
    assert bytes_below(tmp_path / "data") == before
    for file in left:
        record = json.loads((storage.quarantine.folder / f"{file.name}.json").read_text())
        assert record["was_at"] == str(file)
        assert "not told that it is stored" in record["why"]
        assert datetime.fromisoformat(record["when"]) == NOW.replace(microsecond=0)
    assert storage.quarantine.count() == 2
    assert recover(catalog, storage, NOW) == Recovered()


def test_law_8_more_than_a_crash_can_leave_is_not_touched(
    catalog: Catalog,
    storage: LocalStorage,
    receiver: Receiver,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store(receiver)
    for _ in range(3):
        left_behind(storage, b"placed", placed=True)
    left_behind(storage, b"arriving", placed=False)
    before = bytes_below(tmp_path / "data")
    with caplog.at_level(logging.ERROR):
        refused = recover(catalog, storage, NOW, at_most=3)
    assert refused == Recovered(unknown=4)
    assert "more than a crash can leave" in caplog.text
    assert bytes_below(tmp_path / "data") == before
    assert not storage.quarantine.folder.exists()
    (alert,) = health(catalog, storage.quarantine, refused, lambda: True).alerts
    assert (alert.code, "4 files" in alert.text) == ("FILES_UNKNOWN_TO_INDEX", True)
    # Looked at again at the next start, from the same hour on; a person may let them be set aside.
    assert recover(catalog, storage, NOW + timedelta(days=2), at_most=3) == refused
    assert recover(catalog, storage, NOW + timedelta(days=2), at_most=None) == Recovered(set_aside=4)
    (alert,) = health(catalog, storage.quarantine, Recovered(), lambda: True).alerts
    assert alert.code == "QUARANTINE_NOT_EMPTY"


def test_breach_of_law_8_recovery_without_its_bound_touches_what_it_must_not(
    catalog: Catalog, storage: LocalStorage, receiver: Receiver, tmp_path: Path
) -> None:
    """What the test above would see if the bound were gone."""
    store(receiver)
    catalog.write(lambda transaction: transaction.exec_driver_sql("UPDATE instance SET file_key = 'another'"))
    (key,) = (key for keys in storage.keys_since("") for key in keys)
    assert recover(catalog, storage, NOW, at_most=0) == Recovered(unknown=1)
    assert storage.path(key).exists()
    recover(catalog, storage, NOW, at_most=None)
    assert not storage.path(key).exists()


def test_files_of_one_name_stand_beside_each_other_in_the_quarantine(storage: LocalStorage) -> None:
    for content in (b"first", b"second", b"third"):
        file = storage.path("2026/01/01/00/one.dcm")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        storage.quarantine.set_aside([file], why="a test", now=NOW)
    names = sorted(file.name for file in storage.quarantine.folder.glob("*") if file.suffix != ".json")
    assert names == ["one.dcm", "one.dcm.2", "one.dcm.3"]
    assert sorted(bytes_below(storage.quarantine.folder)) == [b"first", b"second", b"third"]
    assert storage.quarantine.count() == 3


def test_law_8_a_file_to_be_removed_stays_while_a_row_has_it(
    catalog: Catalog, storage: LocalStorage, receiver: Receiver
) -> None:
    store(receiver)
    (kept,) = (key for keys in storage.keys_since("") for key in keys)
    gone = left_behind(storage, b"its row is gone", placed=True)
    key = str(gone.relative_to(storage.path("")))
    for one in (kept, key):
        catalog.write(partial(removal.remember, file_key=one))
    assert removal.remove_remembered(catalog, storage) == 1
    assert storage.path(kept).exists()
    assert not gone.exists()
    assert removal.remove_remembered(catalog, storage) == 0


def test_a_kill_while_files_are_set_aside_loses_none(
    catalog: Catalog, storage: LocalStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        left_behind(storage, b"%d" % number, placed=True)
    before = bytes_below(tmp_path / "data")
    calls = 0
    rename = Path.rename

    def killed(path: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            recover(catalog, storage, NOW)
    assert bytes_below(tmp_path / "data") == before
    assert recover(catalog, storage, NOW) == Recovered(set_aside=2)
    assert bytes_below(storage.quarantine.folder) == before


def test_only_a_server_recovers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:

    settings = Settings.model_validate({"data": tmp_path / "data"})
    looked: list[str] = []

    def recovering(*_: object) -> Recovered:
        looked.append("recovered")
        return Recovered()

    monkeypatch.setattr(app, "recover", recovering)
    for purpose in ("look", "work", "serve"):
        looked.append(purpose)
        with app.open_house(settings, purpose):
            pass
    assert looked == ["look", "work", "serve", "recovered"]
