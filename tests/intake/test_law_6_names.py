"""Law 6: where an object lies is durable before anybody is told: its name, and those of all folders above it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kinote.storage.data_directory import DataDirectory
from kinote.storage.local import LocalStorage
from tests.clock import clock


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
    LocalStorage(data)
    assert data in synced


def test_law_6_folders_that_somebody_else_has_just_made_are_made_durable_too(
    tmp_path: Path, synced: list[Path]
) -> None:
    """Another thread, another server, or one that was killed: nobody knows whether it came to its sync."""
    storage = LocalStorage(tmp_path)
    first, second = storage.receive(clock()), storage.receive(clock())
    folder = (tmp_path / "objects" / first.key).parent
    folder.mkdir(parents=True)
    first.finish()
    storage.place([first])
    assert folder.parents[3] == tmp_path / "objects"
    assert {folder, *folder.parents[:4]} <= set(synced)
    synced.clear()
    # Once it is known to be durable only what is new is synced.
    second.finish()
    storage.place([second])
    assert synced == [folder]
