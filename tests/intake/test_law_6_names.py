"""Law 6: where an object lies is durable before anybody is told: its name, and those of all folders above it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinote.storage.directory.data_directory import DataDirectory
from kinote.storage.files import FileStore
from kinote.storage.local import local_stores

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are synced from now on, in order."""
    found: list[Path] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", record)
    return found


def test_law_6_a_new_data_directory_has_a_durable_name(tmp_path: Path, synced: list[Path]) -> None:
    data = tmp_path / "new" / "data"
    DataDirectory(data).close()
    assert {tmp_path, tmp_path / "new"} <= set(synced)
    local_stores(data)
    assert data in synced


def test_law_6_folders_that_somebody_else_has_just_made_are_made_durable_too(
    tmp_path: Path, synced: list[Path]
) -> None:
    """Another thread, another server, or one that was killed: nobody knows whether it came to its sync."""
    store = FileStore(tmp_path / "objects", 1)
    hour = tmp_path / "objects" / "2026" / "11" / "30" / "12"
    hour.mkdir(parents=True)
    first = store.receive(NOW)
    assert {hour, *hour.parents[:4]} - set(synced) == {hour}
    first.finish()
    store.settle([first])
    assert hour in synced
    synced.clear()
    # Once it is known to be durable only what is new is synced.
    second = store.receive(NOW)
    second.finish()
    store.settle([second])
    assert synced == [hour]
