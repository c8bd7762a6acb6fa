"""Start-up recovery: bytes without a row are set aside, and too many of them are not touched (law 8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kinote.app import opening, taking_over
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.health import health
from kinote.holdings.opening.recovery import Recovered, recover
from kinote.holdings.removing import removal
from kinote.intake.receiver import Receiver
from kinote.settings.model import Settings
from kinote.storage.directory.presence import Presence
from kinote.storage.local import FILES, PACKS, local_stores
from kinote.storage.quarantine import Quarantine
from kinote.storage.stores import Stores
from tests.actors import ORIGIN
from tests.clock import clock
from tests.intake.objects import image
from tests.kept_bytes import kept_places, left_behind

NOW = datetime.now(UTC)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return local_stores(tmp_path / "data")


@pytest.fixture
def receiver(catalog: Catalog, stores: Stores) -> Iterator[Receiver]:
    receiver = Receiver(catalog, stores, clock=clock)
    yield receiver
    receiver.close()


def store(receiver: Receiver, number: int = 1) -> None:
    upload = receiver.open(ORIGIN)
    upload.write(image(number, rows=4000 if number % 2 else 16))
    assert upload.finish().result(60).kind == "stored"


def contents(stores: Stores) -> list[bytes]:
    """The bytes of all objects, those in the quarantine included."""
    kept = [stores.open(*place).read() for place in kept_places(stores)]
    return sorted([*kept, *set_aside(stores)])


def set_aside(stores: Stores) -> list[bytes]:
    folder = stores.quarantine.folder
    files = sorted(folder.iterdir()) if folder.exists() else []
    return sorted(file.read_bytes() for file in files if file.suffix != ".json")


def test_law_8_recovery_leaves_no_bytes_without_a_row_and_deletes_none(
    catalog: Catalog, stores: Stores, receiver: Receiver, tmp_path: Path
) -> None:
    store(receiver, 1)
    store(receiver, 2)
    kept = kept_places(stores)
    assert {number for number, _ in kept} == {FILES, PACKS}
    left_behind(stores, b"settled")
    left_behind(stores, b"arriving", whole=False)
    left_behind(stores, b"small", small=True)
    old = tmp_path / "data" / "incoming" / "of an older version"
    old.parent.mkdir()
    old.write_bytes(b"arriving then")
    before = contents(stores)
    assert recover(catalog, stores, NOW, left=[old]) == Recovered(set_aside=4)
    assert kept_places(stores) == kept
    assert contents(stores) == sorted([*before, b"arriving then"])
    assert set_aside(stores) == [b"arriving", b"arriving then", b"settled", b"small"]
    records = [json.loads(file.read_text()) for file in stores.quarantine.folder.glob("*.json")]
    assert len(records) == 4
    for record in records:
        assert str(tmp_path) in record["was_at"]
        assert "not told that they are stored" in record["why"]
        assert datetime.fromisoformat(record["when"]) == NOW.replace(microsecond=0)
    assert stores.quarantine.count() == 4
    assert recover(catalog, stores, NOW) == Recovered()


def test_law_8_more_than_a_crash_can_leave_is_not_touched(
    catalog: Catalog, stores: Stores, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    store(receiver)
    for small in (True, False, True):
        left_behind(stores, b"settled", small=small)
    left_behind(stores, b"arriving", whole=False)
    places = kept_places(stores)
    with caplog.at_level(logging.ERROR):
        refused = recover(catalog, stores, NOW, at_most=3)
    assert refused == Recovered(unknown=4)
    assert "more than a crash can leave" in caplog.text
    assert kept_places(stores) == places
    assert not stores.quarantine.folder.exists()
    (alert,) = health(catalog, stores.quarantine, refused, lambda: True).alerts
    assert (alert.code, "4 files" in alert.text) == ("FILES_UNKNOWN_TO_INDEX", True)
    # Looked at again at the next start, from the same position on; a person may let them be set aside.
    assert recover(catalog, stores, NOW + timedelta(days=2), at_most=3) == refused
    assert recover(catalog, stores, NOW + timedelta(days=2), at_most=None) == Recovered(set_aside=4)
    (alert,) = health(catalog, stores.quarantine, Recovered(), lambda: True).alerts
    assert alert.code == "QUARANTINE_NOT_EMPTY"


def test_breach_of_law_8_recovery_without_its_bound_touches_what_it_must_not(
    catalog: Catalog, stores: Stores, receiver: Receiver
) -> None:
    """What the test above would see if the bound were gone."""
    store(receiver)
    catalog.write(lambda transaction: transaction.exec_driver_sql("UPDATE instance SET file_key = 'another'"))
    places = kept_places(stores)
    assert recover(catalog, stores, NOW, at_most=0) == Recovered(unknown=1)
    assert kept_places(stores) == places
    recover(catalog, stores, NOW, at_most=None)
    assert kept_places(stores) == set()


def test_files_of_one_name_stand_beside_each_other_in_the_quarantine(stores: Stores, tmp_path: Path) -> None:
    for content in (b"first", b"second", b"third"):
        file = tmp_path / "one.dcm"
        file.write_bytes(content)
        stores.quarantine.move_in([file], why="a test", now=NOW)
    names = sorted(file.name for file in stores.quarantine.folder.glob("*") if file.suffix != ".json")
    assert names == ["one.dcm", "one.dcm.2", "one.dcm.3"]
    assert set_aside(stores) == [b"first", b"second", b"third"]
    assert stores.quarantine.count() == 3


def test_law_8_bytes_to_be_removed_stay_while_a_row_has_them(
    catalog: Catalog, stores: Stores, receiver: Receiver
) -> None:
    store(receiver, 1)
    store(receiver, 2)
    kept = kept_places(stores)
    gone = {left_behind(stores, b"its row is gone"), left_behind(stores, b"and its", small=True)}
    for place in kept | gone:
        catalog.write(partial(removal.remember, place=place, now=NOW))
    assert removal.remove_remembered(catalog, stores) == 2
    assert kept_places(stores) == kept
    assert removal.remove_remembered(catalog, stores) == 0


@pytest.mark.parametrize("small", [True, False])
def test_a_kill_while_objects_are_set_aside_loses_none(
    catalog: Catalog, stores: Stores, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    """Of a pack, an object is in both places for a moment, and may be there twice in the end."""
    for number in range(3):
        left_behind(stores, b"%d" % number, small=small)
    before = contents(stores)
    calls = 0
    record = Quarantine._record

    def killed(quarantine: Quarantine, name: str, **said: Any) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return record(quarantine, name, **said)

    with monkeypatch.context() as patched:
        patched.setattr(Quarantine, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            recover(catalog, stores, NOW)
    assert set(contents(stores)) == set(before)
    recover(catalog, stores, NOW)
    assert set(set_aside(stores)) == set(before)
    assert kept_places(stores) == set()


def test_only_a_server_recovers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data": tmp_path / "data"})
    looked: list[str] = []

    def recovering(*_: object, **_named: object) -> Recovered:
        looked.append("recovered")
        return Recovered()

    monkeypatch.setattr(taking_over, "recover", recovering)
    for purpose in ("work", "look", "serve"):
        looked.append(purpose)
        with opening.open_application(settings, purpose):
            pass
    assert looked == ["work", "look", "serve", "recovered"]


#: An object of each kind in its store, and one that was still being received.
KINDS: tuple[dict[str, bool], ...] = ({}, {"whole": False}, {"small": True})


def test_law_8_what_a_living_process_wrote_is_its_own(catalog: Catalog, tmp_path: Path) -> None:
    """One recovers while another is up, which is just receiving one object and committing others."""
    directory = tmp_path / "data"
    starting, living, dead = (Presence(directory) for _ in range(3))
    stores = local_stores(directory, starting.mark)
    of_living, of_dead = local_stores(directory, living.mark), local_stores(directory, dead.mark)
    kept = {left_behind(of_living, b"living", **kind) for kind in KINDS}
    for kind in KINDS:
        left_behind(of_dead, b"dead", **kind)
    of_dead.close()
    dead.close()
    assert recover(catalog, stores, NOW, others=starting.others) == Recovered(set_aside=3)
    assert kept_places(stores) == kept
    # Days later it is killed: what it had in hand since then has not been passed over.
    of_living.close()
    living.close()
    later = NOW + timedelta(days=3)
    assert recover(catalog, stores, later, others=starting.others) == Recovered(set_aside=3)
    assert kept_places(stores) == set()
    stores.close()
    starting.close()


@pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(days=3)])
def test_law_8_a_clock_that_was_set_back_hides_nothing_from_recovery(
    catalog: Catalog, stores: Stores, ahead: timedelta
) -> None:
    """A server whose clock was ahead recovered last. Files are looked for by the hour in which they were received."""
    assert recover(catalog, stores, datetime.now(UTC) + ahead) == Recovered()
    for small in (False, True):
        left_behind(stores, b"left", small=small)
    assert recover(catalog, stores, datetime.now(UTC)) == Recovered(set_aside=2)
    assert kept_places(stores) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_law_8_what_was_passed_over_is_found_by_a_later_recovery(
    catalog: Catalog, tmp_path: Path, kind: dict[str, bool]
) -> None:
    directory = tmp_path / "data"
    living, starting = Presence(directory), Presence(directory)
    stores, of_living = local_stores(directory), local_stores(directory, living.mark)
    place = left_behind(of_living, b"living", **kind)
    # Recoveries that come days after the other's start begin to look where it began.
    for days in (2, 4):
        assert recover(catalog, stores, NOW + timedelta(days=days), others=starting.others) == Recovered()
    assert kept_places(stores) == {place}
    of_living.close()
    living.close()
    last = NOW + timedelta(days=6)
    assert recover(catalog, stores, last, others=starting.others) == Recovered(set_aside=1)
    assert kept_places(stores) == set()
    stores.close()
    starting.close()


@pytest.mark.parametrize("kind", KINDS)
def test_breach_of_law_8_a_recovery_that_knows_no_others_takes_what_is_theirs(
    catalog: Catalog, tmp_path: Path, kind: dict[str, bool]
) -> None:
    directory = tmp_path / "data"
    living = Presence(directory)
    left_behind(local_stores(directory, living.mark), b"living", **kind)
    stores = local_stores(directory)
    assert recover(catalog, stores, NOW) == Recovered(set_aside=1)
    assert kept_places(stores) == set()
    living.close()


def test_law_8_a_server_recovers_while_another_is_up(postgresql_url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data": tmp_path / "data", "database": postgresql_url})
    with opening.open_application(settings, "serve") as first:
        upload = first.receiver.open(ORIGIN)
        content = image(1, rows=4000)
        half = len(content) // 2
        upload.write(content[:half])
        of_dead = local_stores(settings.data, "deadbeef")
        left = left_behind(of_dead, b"dead")
        of_dead.close()
        with opening.open_application(settings, "serve") as second:
            assert second.recovered == Recovered(set_aside=1)
            assert left not in kept_places(second.stores)
            upload.write(content[half:])
            assert upload.finish().result(60).kind == "stored"
