"""What stores take is bounded by the room that is reserved, and goes only into the folder that was opened."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from kinote.storage.files import FileStore
from kinote.storage.packs.store import PackStore
from kinote.storage.store import StorageError, Store
from kinote.storage.volume import RESERVED, NoRoomError, RoomLeft

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)

#: Opens a store on a folder.
STORES: dict[str, Callable[[Path], Store]] = {
    "files": lambda folder: FileStore(folder, 1),
    "files of a receiver process": lambda folder: pickle.loads(pickle.dumps(FileStore(folder, 1))),
    "packs": lambda folder: PackStore(folder, 2),
}

stores = pytest.mark.parametrize("open_store", STORES.values(), ids=STORES.keys())


def _put(store: Store) -> StorageError | None:
    try:
        incoming = store.receive(NOW)
        incoming.write(b"x" * 1000)
        incoming.finish()
    except StorageError as error:
        return error
    (failure,) = store.settle([incoming])
    return failure


def _volume(monkeypatch: pytest.MonkeyPatch, *, blocks: int, free: int) -> None:
    volume = SimpleNamespace(f_blocks=blocks, f_frsize=4096, f_bavail=free)
    monkeypatch.setattr(os, "statvfs", lambda path: volume)


@stores
def test_images_leave_the_room_that_is_reserved(
    open_store: Callable[[Path], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "store")
    reserved = RESERVED // 4096
    with monkeypatch.context() as full:
        _volume(full, blocks=10**9, free=reserved - 1)
        assert isinstance(_put(store), NoRoomError)
        with pytest.raises(NoRoomError):
            store.see_that_it_takes_more()
    with monkeypatch.context() as enough:
        _volume(enough, blocks=10**9, free=reserved)
        assert _put(store) is None
    with monkeypatch.context() as small:
        # Of a small volume a twentieth is reserved.
        _volume(small, blocks=10_000, free=499)
        assert isinstance(_put(store), NoRoomError)
        _volume(small, blocks=10_000, free=500)
        assert _put(store) is None
    store.close()


@stores
def test_nothing_goes_into_a_folder_that_was_replaced(
    open_store: Callable[[Path], Store], tmp_path: Path
) -> None:
    folder, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    store = open_store(folder)
    assert _put(store) is None
    folder.rename(elsewhere)
    assert isinstance(_put(store), StorageError)
    folder.mkdir()
    assert isinstance(_put(store), StorageError)
    assert not list(folder.iterdir())
    folder.rmdir()
    elsewhere.rename(folder)
    assert _put(store) is None
    store.close()


def test_a_large_object_does_not_use_up_what_is_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "store", 1)
    incoming = store.receive(NOW)
    _volume(monkeypatch, blocks=10**9, free=0)
    # Many are on their way at once: each looks after a megabyte.
    with pytest.raises(NoRoomError):
        for _ in range(2):
            incoming.write(bytes(1024 * 1024))
    incoming.abandon()
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("blocks", "least"),
    [
        pytest.param(10**9, 5 * 1024**3 // 4096, id="a large volume"),
        pytest.param(10**6, 10**6 // 10, id="one of 4 GB, of which a twentieth is reserved"),
        pytest.param(5 * 10**6, 5 * 10**6 // 20, id="one of 20 GB"),
        pytest.param(10_000, 1000, id="a small volume"),
    ],
)
def test_people_are_told_before_images_stop_and_not_over_and_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, least: int
) -> None:
    room = RoomLeft(tmp_path)

    def little(free: int) -> bool:
        _volume(monkeypatch, blocks=blocks, free=free)
        return room.little() is not None

    assert not little(least)
    assert little(least - 1)
    assert little(least + least // 8), "it has to be clearly more again"
    assert not little(least + least // 4 + 1)
    assert not little(least)
