"""The lock of a data directory, whatever happens to the names in it. Every opening stands for a process of its own."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kinote.storage.directory import announcement
from kinote.storage.directory.data_directory import DataDirectory, DataDirectoryInUseError
from kinote.storage.directory.directory_lock import DirectoryLock


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], DirectoryLock]]:
    locks: list[DirectoryLock] = []

    def opening() -> DirectoryLock:
        locks.append(DirectoryLock(tmp_path))
        return locks[-1]

    yield opening
    for each in locks:
        each.close()


def lock_file_alone(folder: Path) -> bool:
    """Whether a process could get in that locks the file only, as versions before 0.2 do."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_one_process_has_it(opened: Callable[[], DirectoryLock]) -> None:
    first, second = opened(), opened()
    assert first.take()
    assert not second.take()
    assert not second.take(shared=True)


def test_it_is_locked_though_its_file_is_removed(opened: Callable[[], DirectoryLock], tmp_path: Path) -> None:
    first, second = opened(), opened()
    assert first.take()
    (tmp_path / "lock").unlink()
    assert not second.take()
    assert not (tmp_path / "lock").exists(), "who is refused writes nothing"


def test_a_file_that_was_removed_is_made_again(
    opened: Callable[[], DirectoryLock], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened()
    assert first.take()
    (tmp_path / "lock").unlink()
    assert first.is_in_place()
    assert "was removed" in caplog.text
    assert (tmp_path / "lock").read_text() == str(os.getpid())
    assert not lock_file_alone(tmp_path)
    assert first.is_in_place()
    assert caplog.text.count("was removed") == 1


def test_another_process_that_got_the_file_meanwhile_is_noticed(
    opened: Callable[[], DirectoryLock], tmp_path: Path
) -> None:
    first = opened()
    assert first.take()
    (tmp_path / "lock").unlink()
    other = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert not first.is_in_place()
    os.close(other)
    assert first.is_in_place()


def test_a_directory_that_is_moved_or_replaced_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    lock = DirectoryLock(folder)
    assert lock.take()
    folder.rename(tmp_path / "elsewhere")
    assert not lock.is_in_place()
    folder.mkdir()
    assert not lock.is_in_place()
    folder.rmdir()
    (tmp_path / "elsewhere").rename(folder)
    assert lock.is_in_place()
    lock.close()


def test_who_locks_the_file_only_is_respected(opened: Callable[[], DirectoryLock], tmp_path: Path) -> None:
    other = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    first, second = opened(), opened()
    assert not first.take()
    os.close(other)
    assert second.take(), "the directory stayed locked by one who was refused"
    assert not lock_file_alone(tmp_path)


def test_where_directories_cannot_be_locked_the_file_decides(
    opened: Callable[[], DirectoryLock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def of_files_only(descriptor: Any, kind: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "NFS")
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", of_files_only)
    first, second = opened(), opened()
    assert first.take()
    assert not second.take()
    first.share()
    assert second.take(shared=True)


def test_several_share_it(opened: Callable[[], DirectoryLock]) -> None:
    first, second, third = opened(), opened(), opened()
    assert first.take()
    first.share()
    assert second.take(shared=True)
    assert not third.take()


def test_who_has_it_is_named(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path)
    with pytest.raises(DataDirectoryInUseError, match=rf"\(process {os.getpid()}\)"):
        DataDirectory(tmp_path)
    first.close()
    DataDirectory(tmp_path).close()


def test_what_a_killed_server_announced_is_gone_at_the_next_opening(tmp_path: Path) -> None:
    announcement.announce(tmp_path, "http://127.0.0.1:1")
    DataDirectory(tmp_path).close()
    assert announcement.announced(tmp_path) is None


@pytest.mark.parametrize("unless_served", [True, False])
def test_a_shared_directory_is_open_to_others_unless_they_would_rather_ask_the_server(
    tmp_path: Path, unless_served: bool
) -> None:
    server = DataDirectory(tmp_path, shared=True)
    server.recovered()
    DataDirectory(tmp_path, shared=True, unless_served=unless_served).close()
    server.announce("http://127.0.0.1:1")
    if unless_served:
        with pytest.raises(DataDirectoryInUseError):
            DataDirectory(tmp_path, shared=True, unless_served=True)
    else:
        DataDirectory(tmp_path, shared=True).close()
    server.close()
