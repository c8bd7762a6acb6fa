"""Files of their own: written past the page cache, at their final names."""

from __future__ import annotations

import errno
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.storage.aligned_file import BLOCK, BUFFER, AlignedFile
from kinote.storage.files import FileStore
from kinote.storage.store import StorageError

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store", 1)


def test_a_file_has_its_name_from_the_beginning(store: FileStore) -> None:
    incoming = store.receive(NOW)
    assert store.path(incoming.key).exists()
    assert incoming.key.startswith("2026/11/30/12/")
    incoming.abandon()
    assert not store.path(incoming.key).exists()


@pytest.mark.parametrize("size", [0, 1, BLOCK, BUFFER - 1, BUFFER + BLOCK + 1])
def test_whole_blocks_are_written_directly_and_the_file_is_cut_to_size(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    write = os.pwrite

    def recorded(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        lengths.append(len(data))
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", recorded)
    file = AlignedFile(tmp_path / "file")
    file.write(b"x" * size)
    file.finish()
    if file.is_direct:
        assert all(length % BLOCK == 0 for length in lengths)
    file.close()
    file.close()
    assert (tmp_path / "file").read_bytes() == b"x" * size


def test_a_disk_that_refuses_in_the_middle_what_it_took_before_gets_the_rest_buffered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of 64 KB, say: only the first write tells."""
    write = os.pwrite

    def refused(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        if file.is_direct:
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(descriptor, data[: 5 * BLOCK + 3], offset)

    file = AlignedFile(tmp_path / "file")
    monkeypatch.setattr(os, "pwrite", refused)
    data = os.urandom(BUFFER + 100_000)
    file.write(data)
    file.finish()
    file.close()
    assert (tmp_path / "file").read_bytes() == data


def test_what_a_buffer_held_before_is_not_seen(tmp_path: Path) -> None:
    for name, data in (("first", b"\xff" * 10_000), ("second", b"\x01" * 4097)):
        file = AlignedFile(tmp_path / name)
        file.write(data)
        file.finish()
        file.close()
    assert (tmp_path / "second").read_bytes() == b"\x01" * 4097


@pytest.mark.parametrize("call", ["pwrite", "fdatasync", "ftruncate"])
def test_a_disk_that_is_full_or_fails_is_said(
    store: FileStore, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = store.receive(NOW)
    incoming.write(b"x" * 5000)

    def failing(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        with pytest.raises(StorageError, match="No space left on device"):
            incoming.finish()
    incoming.abandon()
    assert list(store.keys_since("")) in ([], [[]])


def test_a_folder_that_cannot_be_synced_is_said_and_tried_again(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = store.receive(NOW)
    synced: list[Path] = []

    def failing(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("kinote.storage.files.sync_folder", failing)
        with pytest.raises(StorageError, match="Input/output error"):
            incoming.finish()
    monkeypatch.setattr("kinote.storage.files.sync_folder", synced.append)
    incoming.finish()
    incoming.finish()
    assert synced == [store.path(incoming.key).parent]
    assert store.settle([incoming]) == [None]


def test_another_process_receives_and_this_one_takes_over(tmp_path: Path) -> None:
    here = FileStore(tmp_path / "store", 1, "0123abcd")
    there = pickle.loads(pickle.dumps(here))
    incoming = there.receive(NOW)
    incoming.write(b"some bytes")
    incoming.finish()
    taken = here.take_over(incoming.key)
    assert here.maker(taken.key) == "0123abcd"
    assert taken.read_back(5, 100) == b"bytes"
    assert here.settle([taken]) == [None]
    with here.open(taken.key) as file:
        assert file.read() == b"some bytes"
    taken.abandon()
    with pytest.raises(StorageError):
        here.take_over(incoming.key)


@pytest.mark.parametrize(
    "key", ["", "../kinote.sqlite", "2026/11/30/12/x.dcm", f"2026/11/30/12/{'f' * 32}.dcm"]
)
def test_nothing_is_taken_over_that_this_server_does_not_receive(tmp_path: Path, key: str) -> None:
    store = FileStore(tmp_path / "store", 1, "0123abcd")
    (tmp_path / "store" / "2026/11/30/12").mkdir(parents=True)
    (tmp_path / "store" / f"2026/11/30/12/{'f' * 32}.dcm").touch()
    with pytest.raises(StorageError):
        store.take_over(key)
