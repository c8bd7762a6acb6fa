"""Packs: bounded, each written by one process, given back room where half is unused."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.storage.incoming_small import IncomingSmall
from kinote.storage.packs.adding import PackWriter
from kinote.storage.packs.lock import PackLock
from kinote.storage.packs.pack import BLOCK, Pack
from kinote.storage.packs.store import PackStore
from kinote.storage.store import StorageError

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def put(store: PackStore, *contents: bytes) -> list[str]:
    group = []
    for content in contents:
        incoming = store.receive(NOW)
        incoming.write(content)
        incoming.finish()
        group.append(incoming)
    assert store.settle(group) == [None] * len(group)
    return [incoming.key or "" for incoming in group]


def packs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pack"))


def test_a_full_pack_is_followed_by_another(tmp_path: Path) -> None:
    store = PackStore(tmp_path, 1, max_bytes=400_000)
    given = [put(store, os.urandom(50_000))[0] for _ in range(30)]
    assert len(packs(tmp_path)) > 2
    assert all((tmp_path / name).stat().st_size < 800_000 for name in packs(tmp_path))
    assert len(set(given)) == 30
    store.close()


def test_after_a_restart_the_last_pack_is_added_to(tmp_path: Path) -> None:
    for _ in range(3):
        store = PackStore(tmp_path, 1)
        put(store, b"x")
        store.close()
    assert packs(tmp_path) == ["000001.pack"]


def test_two_processes_add_to_packs_of_their_own_and_read_each_other_s(tmp_path: Path) -> None:
    first, second = PackStore(tmp_path, 1), PackStore(tmp_path, 1)
    (one,), (two,) = put(first, b"one"), put(second, b"two")
    assert packs(tmp_path) == ["000001.pack", "000002.pack"]
    for store in (first, second):
        assert (store.open(one).read(), store.open(two).read()) == (b"one", b"two")
    # What another process has removed is gone here, too.
    second.remove([one])
    with pytest.raises(StorageError, match="it is not there"):
        first.open(one)
    for store in (first, second):
        store.close()


def test_a_pack_that_is_lost_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    store = PackStore(tmp_path, 1)
    (key,) = put(store, b"x")
    store.close()
    (tmp_path / "000001.pack").unlink()
    store = PackStore(tmp_path, 1)
    with pytest.raises(StorageError, match="Cannot read"):
        store.open(key)
    assert packs(tmp_path) == []
    store.close()


def test_law_5_one_that_the_pack_refuses_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = PackWriter.add

    def refusing(writer: PackWriter, objects: list[bytes]) -> list[int]:
        if b"poison" in objects:
            raise OSError(errno.EIO, "the disk does not like it")
        return add(writer, objects)

    monkeypatch.setattr(PackWriter, "add", refusing)
    store = PackStore(tmp_path, 1)
    group = []
    for content in (b"one", b"poison", b"three"):
        incoming = store.receive(NOW)
        incoming.write(content)
        group.append(incoming)
    first, second, third = store.settle(group)
    assert (first, third) == (None, None)
    assert "the disk does not like it" in str(second)
    assert [incoming.key is None for incoming in group] == [False, True, False]
    assert sum(len(part) for part in store.keys_since("")) == 2
    store.close()


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_law_8_a_group_that_fails_leaves_nothing_that_is_acknowledged_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store = PackStore(tmp_path, 1)
    before = put(store, b"before", b"it")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        incoming = store.receive(NOW)
        incoming.write(os.urandom(5000))
        (failure,) = store.settle([incoming])
    assert "No space" in str(failure)
    assert incoming.key is None
    after = put(store, b"after it")
    assert [store.open(key).read() for key in before + after] == [b"before", b"it", b"after it"]
    # After a sync that failed nobody knows what is on the disk: another pack is begun.
    assert len(packs(tmp_path)) == (2 if call == "fdatasync" else 1)
    store.close()


def test_a_pack_that_cannot_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PackStore(tmp_path, 1)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        for _ in range(20):
            incoming = store.receive(NOW)
            incoming.write(b"x")
            (failure,) = store.settle([incoming])
            assert "No space" in str(failure)
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before
    assert put(store, b"x") == ["1/1"]
    store.close()


@pytest.mark.parametrize("content", [b"", b"something else" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_pack_keeps_nobody_from_the_others(tmp_path: Path, content: bytes) -> None:
    store = PackStore(tmp_path, 1)
    (key,) = put(store, b"x")
    store.close()
    (tmp_path / "000002.pack").write_bytes(content)
    store = PackStore(tmp_path, 1)
    assert store.open(key).read() == b"x"
    assert [each for part in store.keys_since("") for each in part] == [key]
    assert store.position(NOW) == key
    (other,) = put(store, b"y")
    assert other not in (key, "2/1")
    with pytest.raises(StorageError, match="Cannot read"):
        store.open("2/1")
    store.close()
    assert (tmp_path / "000002.pack").read_bytes() == content


def test_the_number_of_a_pack_that_is_lost_is_not_given_again(tmp_path: Path) -> None:
    """Rows have its keys: they must not mean somebody else's bytes."""
    store = PackStore(tmp_path, 1)
    (lost,) = put(store, b"lost")
    store.close()
    (tmp_path / "000001.pack").unlink()
    store = PackStore(tmp_path, 1)
    (new,) = put(store, b"anew")
    assert new != lost
    with pytest.raises(StorageError):
        store.open(lost)
    store.close()


def test_law_8_what_was_added_last_to_a_full_pack_is_known_to_be_of_the_living(tmp_path: Path) -> None:
    """Its rows may be committed in a moment: recovery of another server leaves it alone."""
    store = PackStore(tmp_path, 1, "0123abcd", max_bytes=20_000)
    (first,) = put(store, os.urandom(30_000))
    (second,) = put(store, b"another pack")
    assert first.partition("/")[0] != second.partition("/")[0]
    other = PackStore(tmp_path, 1, "4567cdef")
    assert (other.maker(first), other.maker(second)) == ("0123abcd", "0123abcd")
    assert other.position(NOW) == ""
    store.close()
    assert other.maker(first) == ""
    other.close()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_takes_no_room_ahead_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_arguments: object) -> None:
        raise OSError(number, "It does not do that")

    monkeypatch.setattr(os, "posix_fallocate", refused)
    store = PackStore(tmp_path, 1)
    contents = [os.urandom(30_000) for _ in range(5)]
    keys = put(store, *contents) + put(store, b"more")
    assert [store.open(key).read() for key in keys] == [*contents, b"more"]
    store.close()


def test_the_last_room_of_a_disk_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allocate = os.posix_fallocate

    def nearly_full(descriptor: int, offset: int, length: int) -> None:
        if length > 100 * BLOCK:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", nearly_full)
    store = PackStore(tmp_path, 1)
    (key,) = put(store, b"x")
    assert store.open(key).read() == b"x"
    store.close()


def failing(*_arguments: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_room_of_removed_objects_is_given_back_and_the_others_keep_their_keys(tmp_path: Path) -> None:
    store = PackStore(tmp_path, 1)
    keys = put(store, *(os.urandom(60_000) for _ in range(40)))
    kept = store.open(keys[20]).read()
    store.remove(keys[:20] + keys[21:])
    store.close()
    taken = (tmp_path / "000001.pack").stat().st_blocks * 512
    assert taken < 60_000 + 4 * BLOCK
    store = PackStore(tmp_path, 1)
    assert store.open(keys[20]).read() == kept
    assert [each for part in store.keys_since("") for each in part] == [keys[20]]
    (new,) = put(store, b"new")
    assert new not in keys, "the last one that was removed says how far the pack has come"
    store.close()


def test_a_file_system_that_makes_no_holes_keeps_the_room_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pack, "_make_hole", lambda *_: False)
    store = PackStore(tmp_path, 1)
    first, second, third = put(store, b"first", os.urandom(9000), b"third")
    store.remove([second, third])
    assert [each for part in store.keys_since("") for each in part] == [first]
    (new,) = put(store, b"new")
    assert new not in (second, third)
    store.close()


def test_a_pack_that_was_cut_off_by_a_power_cut_is_not_gone_on_with(tmp_path: Path) -> None:
    """What lies behind its last object may be one whose head is damaged: nothing is written over it."""
    store = PackStore(tmp_path, 1)
    kept, damaged = put(store, b"kept", os.urandom(9000))
    store.close()
    path = tmp_path / "000001.pack"
    with path.open("r+b") as file:
        file.seek(int(damaged.partition("/")[2]) * BLOCK)
        file.write(bytes(16))
    before = path.read_bytes()
    store = PackStore(tmp_path, 1)
    with pytest.raises(StorageError, match="it is not there"):
        store.open(damaged)
    (new,) = put(store, b"new")
    assert (store.open(kept).read(), store.open(new).read()) == (b"kept", b"new")
    store.close()
    assert packs(tmp_path) == ["000001.pack", "000002.pack"]
    assert path.read_bytes() == before


def test_objects_behind_a_damaged_head_are_found(tmp_path: Path) -> None:
    store = PackStore(tmp_path, 1)
    first, second, third = put(store, b"first", os.urandom(9000), b"third")
    store.close()
    with (tmp_path / "000001.pack").open("r+b") as file:
        file.seek(int(second.partition("/")[2]) * BLOCK + 5)
        file.write(b"?")
    store = PackStore(tmp_path, 1)
    assert [each for part in store.keys_since("") for each in part] == [first, third]
    (new,) = put(store, b"new")
    assert new.startswith("1/") and new not in (first, second, third)
    store.close()


def test_an_image_that_contains_a_pack_is_one_object(tmp_path: Path) -> None:
    """Nobody can make bytes that read like a pack from within: another pack's heads mean nothing here."""
    other = PackStore(tmp_path / "other", 1)
    put(other, b"inner", b"objects")
    other.close()
    inner = (tmp_path / "other" / "000001.pack").read_bytes()
    store = PackStore(tmp_path / "store", 1)
    # The first fills its block to the end, so that the inner blocks lie at blocks.
    keys = put(store, bytes(BLOCK - 16) + inner, b"last")
    number = int(keys[0].partition("/")[2])
    path = tmp_path / "store" / "000001.pack"
    store.close()
    with path.open("r+b") as file:
        # Its own head damaged, the blocks within are looked through.
        file.seek(number * BLOCK)
        file.write(bytes(16))
    store = PackStore(tmp_path / "store", 1)
    assert [each for part in store.keys_since("") for each in part] == [keys[1]]
    store.close()


def test_what_a_killed_process_kept_ready_is_used_by_the_next(tmp_path: Path) -> None:
    store = PackStore(tmp_path, 1)
    (key,) = put(store, b"x")
    size = (tmp_path / "000001.pack").stat().st_size
    assert size > 100 * BLOCK
    assert store._adding is not None
    store._adding.lock.release()  # As the kernel does at its end.
    again = PackStore(tmp_path, 1)
    (other,) = put(again, b"y")
    assert (again.open(key).read(), again.open(other).read()) == (b"x", b"y")
    assert packs(tmp_path) == ["000001.pack"]
    assert (tmp_path / "000001.pack").stat().st_size == size
    again.close()
    assert (tmp_path / "000001.pack").stat().st_size == 3 * BLOCK


def test_a_pack_of_before_is_read_and_not_added_to(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "000001.pack")) as before:
        before.execute("CREATE TABLE object (id INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL)")
        before.executemany("INSERT INTO object (bytes) VALUES (?)", [(b"one",), (b"two",), (b"three",)])
        before.commit()
    store = PackStore(tmp_path, 1)
    assert store.open("1/2").read() == b"two"
    position = store.position(NOW)
    (new,) = put(store, b"new")
    store.remove(["1/1", "1/1"])
    assert [key for part in store.keys_since("") for key in part] == ["1/2", "1/3", new]
    assert [key for part in store.keys_since(position) for key in part] == [new]
    assert packs(tmp_path) == ["000001.pack", "000002.pack"]
    store.close()


def test_a_file_that_is_no_pack_is_said(tmp_path: Path) -> None:
    (tmp_path / "000001.pack").write_bytes(b"something else" * 100)
    store = PackStore(tmp_path, 1)
    with pytest.raises(StorageError, match="does not begin as a pack does"):
        store.open("1/1")
    store.close()


def test_the_right_to_add_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from kinote.storage.packs.lock import PackLock; "
        "assert PackLock.take(Path(sys.argv[1])); print('taken', flush=True); time.sleep(300)"
    )
    path = tmp_path / "000001.pack"
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert other.stdout is not None and other.stdout.readline() == b"taken\n"
    assert PackLock.take(path) is None
    other.send_signal(signal.SIGKILL)
    other.wait()
    lock = PackLock.take(path)
    assert lock is not None
    lock.release()
    other.stdout.close()


def test_an_incoming_object_that_is_abandoned_is_forgotten() -> None:
    incoming = IncomingSmall(1)
    incoming.write(b"x" * 1000)
    incoming.abandon()
    assert incoming.read_back(0, 10) == b""
