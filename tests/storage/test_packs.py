"""Packs: bounded, each written by one process, given back room where half is unused."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.storage.incoming_small import IncomingSmall
from kinote.storage.pack import Pack, PackLock
from kinote.storage.packs import PackStore
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
    add = Pack.add

    def refusing(pack: Pack, objects: list[bytes]) -> list[int]:
        if b"poison" in objects:
            raise sqlite3.OperationalError("the disk does not like it")
        return add(pack, objects)

    monkeypatch.setattr(Pack, "add", refusing)
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


def test_law_8_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "000001.pack", make=True)
    pages = pack._pragma("page_count")
    pack._connection.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        pack.add([b"small", bytes(500_000)])
    assert list(pack.numbers_since(0)) == []
    assert pack.add([b"small"]) == [1]
    pack.close()


def test_room_of_removed_objects_is_given_back_and_the_others_keep_their_keys(tmp_path: Path) -> None:
    store = PackStore(tmp_path, 1)
    keys = put(store, *(os.urandom(60_000) for _ in range(40)))
    kept = store.open(keys[-1]).read()
    store.remove(keys[:-1])
    assert store.compact() == 0, "it is being added to"
    store.close()
    store = PackStore(tmp_path, 1)
    assert store.compact() == 1
    assert (tmp_path / "000001.pack").stat().st_size < 40 * 60_000 / 10
    assert store.open(keys[-1]).read() == kept
    (new,) = put(store, b"new")
    assert new not in keys
    assert store.compact() == 0
    store.close()


def test_the_right_to_add_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from kinote.storage.pack import PackLock; "
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


def test_law_6_a_group_is_synced_before_it_is_said_to_be_settled(tmp_path: Path) -> None:
    """What SQLite is told: with anything less a commit could be lost with the power."""
    pack = Pack(tmp_path / "000001.pack", make=True)
    assert (pack._pragma("synchronous"), pack._pragma("application_id")) == (2, 0x4B50414B)
    (mode,) = pack._connection.execute("PRAGMA journal_mode").fetchone()
    assert mode == "wal"
    pack.close()


def test_an_incoming_object_that_is_abandoned_is_forgotten() -> None:
    incoming = IncomingSmall(1)
    incoming.write(b"x" * 1000)
    incoming.abandon()
    assert incoming.read_back(0, 10) == b""
