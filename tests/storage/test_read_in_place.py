"""Folders that are read in place hold to what the contract of stores asks of reading, and are never changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.storage.quarantine import Quarantine
from kinote.storage.read_in_place import InPlaceStore
from kinote.storage.store import MissingObjectError, StorageError
from tests.storage.test_any_store import SIZES, content, keys, read

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> InPlaceStore:
    folder = tmp_path / "old" / "2019"
    folder.mkdir(parents=True)
    for size in SIZES:
        (folder / f"{size}.dcm").write_bytes(content(size)[:size])
    return InPlaceStore(tmp_path / "old", 107)


def test_law_7_what_lies_there_comes_out_byte_for_byte(store: InPlaceStore) -> None:
    for size in SIZES:
        key, data = f"2019/{size}.dcm", content(size)[:size]
        assert read(store, key) == data
        assert read(store, key, buffered=False) == data
        for offset in (1, 4096, len(data)):
            assert read(store, key, offset) == data[offset:]
        assert store.take_over(key).read_back(1, 100) == data[1:101]


@pytest.mark.parametrize("key", ["2019/none.dcm", "none/1", "2019/1.dcm/1"])
def test_a_key_that_is_not_there_is_said(store: InPlaceStore, key: str) -> None:
    with pytest.raises(MissingObjectError, match="Cannot"):
        store.open(key)


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "2019/../../secret"])
def test_nothing_outside_of_the_folder_is_opened(store: InPlaceStore, key: str) -> None:
    (store.root.parent / "secret").write_bytes(b"secret")
    with pytest.raises(StorageError, match="does not lie in the folder"):
        store.open(key)


def test_law_5_a_pipe_in_place_of_a_file_makes_nobody_wait(store: InPlaceStore) -> None:
    os.mkfifo(store.root / "pipe")
    with pytest.raises(MissingObjectError, match="no file any more"):
        store.open("pipe")


def test_law_7_nothing_is_taken_removed_or_moved(store: InPlaceStore, tmp_path: Path) -> None:
    before = sorted(store.root.rglob("*"))
    store.remove(["2019/1.dcm"])
    assert store.set_aside(["2019/1.dcm"], Quarantine(tmp_path / "quarantine"), why="a test", now=NOW) == 0
    taken = store.take_over("2019/1.dcm")
    assert store.settle([taken]) == [None]
    taken.abandon()
    for refused in (lambda: store.receive(NOW), store.see_that_it_takes_more):
        with pytest.raises(StorageError, match="read in place"):
            refused()
    # Files without a row are another system's.
    assert keys(store) == set()
    assert sorted(store.root.rglob("*")) == before


def test_a_folder_is_there_if_something_is_in_it(store: InPlaceStore, tmp_path: Path) -> None:
    assert store.is_there()
    (tmp_path / "mount").mkdir()
    assert not InPlaceStore(tmp_path / "mount", 107).is_there()
    assert not InPlaceStore(tmp_path / "gone", 107).is_there()
