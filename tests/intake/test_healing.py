"""An object that comes again heals one whose bytes are damaged or gone: `known` requires bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.catalog.changes import Kind
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings.opening.recovery import recover
from kinote.holdings.unavailable import BytesDamagedError
from kinote.intake import filing
from kinote.intake.healing import HEALED
from kinote.intake.receiver import Receiver
from kinote.lifecycle import held
from tests.actors import ORIGIN
from tests.holdings.stored_objects import CHANGES, Shelf
from tests.kept_bytes import file_of
from tests.web.objects import as_file, image

KINDS = ("in a pack", "small", "large", "in the index")


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def set_aside(shelf: Shelf) -> list[Path]:
    """The files in the quarantine, once the receiver has come to its end."""
    shelf.close()
    folder = shelf.stores.quarantine.folder
    return sorted(path for path in folder.glob("*") if path.suffix != ".json") if folder.exists() else []


@pytest.mark.parametrize("change", CHANGES)
def test_law_7_what_was_found_damaged_is_healed_when_it_comes_again(shelf: Shelf, change: str) -> None:
    for name in KINDS:
        shelf.change(name, CHANGES[change])
        with pytest.raises(BytesDamagedError):
            shelf.read(name)
        outcome = shelf.receive(name)
        assert (outcome.kind, outcome.reason) == ("stored", HEALED)
        assert shelf.residence(name) == "local"
        assert shelf.read(name) == shelf.data_set(name)
        assert shelf.receive(name).kind == "known"
    assert shelf.happened(Kind.INSTANCE_HEALED) == [shelf.uids[name] for name in KINDS]
    files = set_aside(shelf)
    assert len(files) == (0 if change == "missing" else 3)
    for file in files:
        assert "come again since" in json.loads(file.with_name(f"{file.name}.json").read_text())["why"]


@pytest.mark.parametrize("change", ["shorter", "longer", "emptied", "missing"])
def test_known_requires_bytes_also_where_nobody_has_looked_yet(shelf: Shelf, change: str) -> None:
    for name in KINDS:
        shelf.change(name, CHANGES[change])
        assert shelf.receive(name).reason == HEALED
        assert shelf.read(name) == shelf.data_set(name)
    assert shelf.happened(Kind.INSTANCE_DAMAGED) == []


def test_what_is_there_is_known_whichever_way_its_digest_was_taken(shelf: Shelf) -> None:
    for name in KINDS:
        assert shelf.receive(name).kind == "known"
        shelf.with_older_digest(name)
        assert shelf.receive(name).kind == "known"
    assert shelf.happened(Kind.INSTANCE_HEALED) == []


def test_of_several_that_come_together_one_heals(shelf: Shelf) -> None:
    shelf.change("small", CHANGES["missing"])
    uploads = [shelf.receiver.open(ORIGIN) for _ in range(3)]
    for upload in uploads:
        upload.write(shelf.files["small"])
    outcomes = [done.result(60).kind for done in [upload.finish() for upload in uploads]]
    assert sorted(outcomes) == ["known", "known", "stored"]
    assert shelf.read("small") == shelf.data_set("small")
    assert set_aside(shelf) == []


def test_other_content_under_the_same_uid_heals_nothing(shelf: Shelf) -> None:
    shelf.change("small", CHANGES["missing"])
    shelf.files["other"] = as_file(image(1, rows=200, columns=200, PatientName="Roe^Richard"))
    assert shelf.receive("other").kind == "held"
    with pytest.raises(BytesDamagedError):
        shelf.read("small")
    assert shelf.receive("small").reason == HEALED


def test_a_held_copy_is_healed_too(shelf: Shelf) -> None:
    shelf.files["other"] = as_file(image(1, rows=200, columns=200, PatientName="Roe^Richard"))
    assert shelf.receive("other").kind == "held"
    with shelf.catalog.read() as connection:
        (copy,) = held.held(connection)
    assert copy.file_key is not None
    file_of(shelf.folder, (copy.store, copy.file_key)).write_bytes(b"")
    assert shelf.receive("other").reason == HEALED
    with shelf.catalog.read() as connection:
        (copy,) = held.held(connection)
    with shelf.door.open_held(copy).file as file:
        assert file.read() == shelf.data_set("other")


def test_law_8_the_damaged_file_is_set_aside_by_the_next_start_if_not_before(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receiver, "_set_aside", lambda self: None)
    shelf.change("small", CHANGES["shorter"])
    damaged = shelf.path("small")
    assert shelf.receive("small").reason == HEALED
    assert damaged.exists()
    recover(shelf.catalog, shelf.stores, datetime.now(UTC))
    assert not damaged.exists()
    assert [path.name for path in set_aside(shelf)] == [damaged.name]


def test_breach_of_law_7_known_without_bytes_is_noticed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "_without_bytes", lambda *_: None)
    shelf.change("small", CHANGES["missing"])
    assert shelf.receive("small").kind == "known"
    with pytest.raises(BytesDamagedError):
        shelf.read("small")
