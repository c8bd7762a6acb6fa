"""Law 7 at the door: the bytes that go out are the bytes that came in, or it is said that they are not."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from kinote.catalog.changes import Kind
from kinote.catalog.transactions.catalog import Catalog
from kinote.holdings import checking
from kinote.holdings import door as door_module
from kinote.holdings.checking import CheckedFile, DiffersError
from kinote.holdings.damage import damaged_now, mark_damaged
from kinote.holdings.door import Door
from kinote.holdings.health import health
from kinote.holdings.opening.recovery import Recovered
from kinote.holdings.stored import Stored
from kinote.holdings.unavailable import BytesDamagedError, StoreUnreachableError
from kinote.storage.digests import BLAKE3, PIECE, SHA256
from kinote.storage.stores import Stores
from tests.actors import ROE
from tests.clock import clock
from tests.dimse.ends import eventually
from tests.holdings.stored_objects import CHANGES, Shelf

KINDS = ("in a pack", "small", "large", "in the index")


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Iterator[Shelf]:
    filled = Shelf.filled(catalog, tmp_path / "data")
    yield filled
    filled.close()


def test_law_7_what_goes_out_is_what_came_in(shelf: Shelf) -> None:
    for name in KINDS:
        assert shelf.stored(name).digest_algorithm == BLAKE3
        assert shelf.read(name) == shelf.data_set(name)
        shelf.with_older_digest(name)
        assert shelf.stored(name).digest_algorithm == SHA256
        assert shelf.read(name) == shelf.data_set(name)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("algorithm", [SHA256, BLAKE3])
def test_law_7_what_differs_does_not_leave_and_is_damaged(
    shelf: Shelf, change: str, algorithm: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in KINDS:
        if algorithm == SHA256:
            shelf.with_older_digest(name)
        assert shelf.stored(name).digest_algorithm == algorithm
        shelf.change(name, CHANGES[change])
    for number, name in enumerate(KINDS, 1):
        for _ in range(2):
            with pytest.raises(BytesDamagedError):
                shelf.read(name)
        assert shelf.residence(name) == "damaged"
        # It is told once.
        assert shelf.happened(Kind.INSTANCE_DAMAGED) == [shelf.uids[each] for each in KINDS[:number]]
        assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == number
    with shelf.catalog.read() as connection:
        assert damaged_now(connection).count == len(KINDS)


def test_a_range_of_a_large_object_is_compared_by_its_pieces(shelf: Shelf) -> None:
    whole = shelf.data_set("large")
    path = shelf.path("large")
    data = path.read_bytes()
    begin = len(data) - len(whole)
    path.write_bytes(data[: begin + 4 * PIECE + 5] + b"?" + data[begin + 4 * PIECE + 6 :])
    with shelf.door.open(shelf.found("large"), ROE).file as file:
        assert file.read(100) == whole[:100]
        file.seek(5 * PIECE - 1 + PIECE)
        assert file.read(2 * PIECE) == whole[6 * PIECE - 1 : 8 * PIECE - 1]
        assert shelf.residence("large") == "local"
        file.seek(4 * PIECE - 10)
        with pytest.raises(BytesDamagedError):
            file.read(20)
    assert shelf.residence("large") == "damaged"
    assert shelf.happened(Kind.INSTANCE_DAMAGED) == [shelf.uids["large"]]


def test_a_large_object_of_before_is_compared_whole_once_and_by_pieces_from_then_on(shelf: Shelf) -> None:
    shelf.with_older_digest("large")
    assert shelf.digests("large") == (SHA256, 0)
    with shelf.door.open(shelf.found("large"), ROE).file as file:
        assert isinstance(file, CheckedFile)
        assert file.read(10) == shelf.data_set("large")[:10]
    # Nobody waits for it; several writers do not keep an order.
    eventually(lambda: shelf.digests("large") == (BLAKE3, 10), "the digests of the pieces are not kept")
    assert shelf.read("large") == shelf.data_set("large")


def test_a_large_object_is_a_file_like_any(shelf: Shelf) -> None:
    expected = io.BytesIO(shelf.data_set("large"))
    with shelf.door.open(shelf.found("large"), ROE).file as file:
        for offset, whence, size in (
            (0, io.SEEK_SET, 10),
            (PIECE - 30, io.SEEK_CUR, PIECE),
            (-20, io.SEEK_END, 100),
            (0, io.SEEK_END, 1),
            (5, io.SEEK_SET, 3 * PIECE),
        ):
            assert file.seek(offset, whence) == expected.seek(offset, whence)
            assert file.read(size) == expected.read(size)
            assert file.tell() == expected.tell()
        buffer, other = bytearray(7), bytearray(7)
        assert file.readinto(buffer) == expected.readinto(other)  # type: ignore[attr-defined]
        assert buffer == other
        assert file.read() == expected.read()


def test_alerts_tell_of_damage_and_of_a_store_that_is_not_there(shelf: Shelf) -> None:
    def alerts(*, is_there: bool) -> dict[str, str]:
        found = health(shelf.catalog, shelf.stores.quarantine, Recovered(), lambda: is_there).alerts
        return {alert.code: alert.text for alert in found}

    assert alerts(is_there=True) == {}
    shelf.change("small", CHANGES["altered"])
    with pytest.raises(BytesDamagedError):
        shelf.read("small")
    assert (
        "of 1 objects are not what was received: 1.2.3.4.1. They" in alerts(is_there=True)["OBJECTS_DAMAGED"]
    )
    assert [*alerts(is_there=False)] == ["STORE_UNREACHABLE", "OBJECTS_DAMAGED"]


def test_a_store_that_is_not_there_damages_nothing(shelf: Shelf) -> None:
    """As where its volume is not mounted: every file is missing, and the mark of the store too."""
    door = Door(shelf.catalog, shelf.stores, clock=clock, store_is_there=lambda _: False)
    for name in ("in a pack", "small", "large"):
        shelf.change(name, CHANGES["missing"])
        with pytest.raises(StoreUnreachableError, match="its mark is missing"):
            door.open(shelf.found(name), ROE)
        assert shelf.residence(name) == "local"


def test_a_store_that_was_away_for_a_moment_damages_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_stored = checking.open_stored
    looks: list[str] = []

    def away_first(stores: Stores, stored: Stored) -> BinaryIO:
        looks.append(stored.sop_instance_uid)
        if len(looks) == 1:
            raise DiffersError("missing")
        return open_stored(stores, stored)

    monkeypatch.setattr(door_module, "open_stored", away_first)
    assert shelf.read("small") == shelf.data_set("small")
    assert shelf.residence("small") == "local"


def test_bytes_in_the_index_that_were_healed_meanwhile_are_not_damaged(shelf: Shelf) -> None:
    sound = shelf.stored("in the index")
    shelf.change("in the index", CHANGES["altered"])
    altered = shelf.stored("in the index")
    assert sound.dataset is not None
    shelf.change("in the index", lambda _: sound.dataset)
    assert not mark_damaged(shelf.catalog, altered, "altered", clock())
    assert shelf.residence("in the index") == "local"


def test_what_cannot_be_read_is_not_said_to_be_damaged(shelf: Shelf) -> None:
    for name in ("small", "large"):
        path = shelf.path(name)
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreUnreachableError):
            shelf.read(name)
        assert shelf.residence(name) == "local"


def test_a_door_that_may_not_write_tells_and_marks_nothing(shelf: Shelf) -> None:
    shelf.change("small", CHANGES["altered"])
    with pytest.raises(BytesDamagedError):
        Door(shelf.catalog, shelf.stores, clock=clock, writes=False).open(shelf.found("small"), ROE)
    assert shelf.residence("small") == "local"


def test_breach_of_law_7_bytes_that_are_not_compared_leave_altered_and_it_is_noticed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.change("small", CHANGES["altered"])
    monkeypatch.setattr(door_module, "whole", lambda file, stored: file.read())
    assert shelf.read("small") != shelf.data_set("small")
    assert shelf.residence("small") == "local"
