"""What every store holds to: the contract of `kinote.storage.store`, one suite for all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kinote.storage.files import FileStore
from kinote.storage.packs.store import PackStore
from kinote.storage.quarantine import Quarantine
from kinote.storage.store import Incoming, StorageError, Store

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)

#: Contents that a store may stumble over: nothing, a byte, around a block and a buffer of an aligned file.
SIZES = (
    0,
    1,
    4095,
    4096,
    4097,
    65_536,
    1024 * 1024 - 1,
    1024 * 1024,
    1024 * 1024 + 1,
    2 * 1024 * 1024 + 4096,
)

Open = Callable[[], Store]


def _files(folder: Path) -> Store:
    return FileStore(folder, 7)


def _files_without_direct_writes(folder: Path) -> Store:
    return FileStore(folder, 7)


def _packs(folder: Path) -> Store:
    return PackStore(folder, 7)


def _packs_that_are_soon_full(folder: Path) -> Store:
    return PackStore(folder, 7, max_bytes=200_000)


def _refuse_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tmpfs does, and some file systems of the network: the file is created, and then EINVAL."""
    create = os.open

    def refused(path: str, flags: int, mode: int = 0o777) -> int:
        if not flags & os.O_DIRECT:
            return create(path, flags, mode)
        os.close(create(path, flags & ~os.O_DIRECT, mode))
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "open", refused)


@pytest.fixture(params=[_files, _files_without_direct_writes, _packs, _packs_that_are_soon_full])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the store, and closes it at the end; as often as wanted, as after a restart."""
    if request.param is _files_without_direct_writes:
        _refuse_direct(monkeypatch)
    stores: list[Store] = []

    def open_it() -> Store:
        for store in stores:
            store.close()
        stores.append(request.param(tmp_path / "store"))
        return stores[-1]

    yield open_it
    stores[-1].close()


@pytest.fixture
def store(opened: Open) -> Store:
    return opened()


def content(size: int, seed: int = 1) -> bytes:
    return bytes((seed * 31 + at * 7) % 251 for at in range(min(size, 5000))) * (size // 5000 + 1)


def put(store: Store, *contents: bytes, now: datetime = NOW) -> list[str]:
    """Receive and settle a group; gives the keys."""
    group = [received(store, each, now) for each in contents]
    assert store.settle(group) == [None] * len(group)
    return [key_of(one) for one in group]


def received(store: Store, data: bytes, now: datetime = NOW) -> Incoming:
    incoming = store.receive(now)
    for start in range(0, len(data), 100_000):
        incoming.write(memoryview(data)[start : start + 100_000])
    incoming.finish()
    return incoming


def key_of(incoming: Incoming) -> str:
    assert incoming.key is not None
    return incoming.key


def read(store: Store, key: str, offset: int = 0, *, buffered: bool = True) -> bytes:
    with store.open(key, offset, buffered=buffered) as file:
        return file.read()


def keys(store: Store, position: str = "") -> set[str]:
    return {key for part in store.keys_since(position) for key in part}


def test_law_7_what_goes_in_comes_out_byte_for_byte(opened: Open) -> None:
    contents = [content(size)[:size] for size in SIZES]
    given = put(opened(), *contents)
    assert len(set(given)) == len(given)
    again = opened()
    for key, data in zip(given, contents, strict=True):
        assert read(again, key) == data
        assert read(again, key, buffered=False) == data
        for offset in (1, 4096, len(data)):
            assert read(again, key, offset) == data[offset:]


def test_what_is_received_says_where_it_goes(store: Store) -> None:
    incoming = received(store, b"some bytes")
    assert incoming.store == store.id
    assert incoming.read_back(5, 3) == b"byt"
    store.settle([incoming])
    assert read(store, key_of(incoming)) == b"some bytes"


def test_a_group_may_be_settled_again(store: Store) -> None:
    group = [received(store, b"one"), received(store, b"two")]
    store.settle(group)
    given = [one.key for one in group]
    assert store.settle(group) == [None, None]
    assert [one.key for one in group] == given
    assert len(keys(store)) == 2


def test_law_8_what_is_abandoned_is_not_there(store: Store) -> None:
    begun, finished = store.receive(NOW), received(store, content(300_000))
    begun.write(content(2_000_000))
    for incoming in (begun, finished):
        incoming.abandon()
        incoming.abandon()
    assert keys(store) == set()


def test_law_8_what_is_removed_is_gone_and_its_key_is_not_given_again(opened: Open) -> None:
    store = opened()
    first, second = put(store, b"first", b"second")
    store.remove([second, first])
    store.remove([second])
    with pytest.raises(StorageError, match="Cannot open"):
        store.open(second)
    assert keys(store) == set()
    again = opened()
    assert not {first, second} & set(put(again, b"third", b"fourth"))


def test_what_came_since_is_listed(opened: Open) -> None:
    store = opened()
    old = put(store, *(content(30_000, seed) for seed in range(12)), now=NOW - timedelta(days=1))
    assert keys(store) == set(old)
    position = store.position(NOW)
    assert keys(store, position) == set()
    new = put(store, *(content(30_000, seed) for seed in range(12)))
    assert keys(store, position) == set(new)
    assert keys(opened(), position) == set(new)
    assert keys(opened()) == {*old, *new}


def test_a_key_that_is_not_there_is_said(store: Store) -> None:
    (key,) = put(store, b"x")
    pack, _, number = key.rpartition("/")
    for missing in (f"{pack}/{number.replace('1', '2')}9", "999/1"):
        with pytest.raises(StorageError, match="Cannot"):
            store.open(missing)


def test_law_8_what_is_set_aside_is_moved_with_a_record(store: Store, tmp_path: Path) -> None:
    kept, moved = put(store, b"kept", b"moved")
    quarantine = Quarantine(tmp_path / "quarantine")
    assert store.set_aside([moved], quarantine, why="a test", now=NOW) == 1
    assert keys(store) == {kept}
    (file,) = (path for path in quarantine.folder.iterdir() if path.suffix != ".json")
    assert file.read_bytes() == b"moved"
    assert '"why": "a test"' in file.with_name(f"{file.name}.json").read_text()


def test_many_threads_at_once(store: Store) -> None:
    given: dict[str, bytes] = {}
    together = threading.Barrier(8)

    def work(seed: int) -> None:
        together.wait(30)
        for number in range(10):
            data = content(20_000 + seed, seed * 100 + number)
            (key,) = put(store, data)
            given[key] = data
            assert read(store, key) == data

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(given) == 80
    assert keys(store) == set(given)
    for key, data in given.items():
        assert read(store, key) == data
