"""Walks through folders go on where they ended, and read nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kinote.media.walking import FoundFile, files_below, number_of_files

FILES = ["b.dcm", "c/1", "c/d/2", "c/e", "f/1", "f.x", "a/z/1"]

#: Files before folders, both by name.
IN_ORDER = ["b.dcm", "f.x", "a/z/1", "c/1", "c/e", "c/d/2", "f/1"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def paths(root: Path, after: str = "") -> list[str]:
    return [each.path for each in files_below(root, after)]


def test_a_walk_has_an_order(root: Path) -> None:
    assert paths(root) == IN_ORDER
    assert number_of_files(root) == len(FILES)


@pytest.mark.parametrize("number", range(len(IN_ORDER)))
def test_a_walk_goes_on_after_any_file(root: Path, number: int) -> None:
    assert paths(root, IN_ORDER[number]) == IN_ORDER[number + 1 :]


def test_a_walk_goes_on_though_its_last_file_is_gone(root: Path) -> None:
    (root / "c/e").unlink()
    assert paths(root, "c/e") == ["c/d/2", "f/1"]


def test_folders_before_the_last_file_are_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    scandir = os.scandir

    def watched(path: Path) -> object:
        read.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    assert paths(root, "c/d/2") == ["f/1"]
    assert read == [root.name, "c", "d", "f"]


def test_links_are_followed_and_no_folder_is_entered_twice(root: Path) -> None:
    (root / "g").symlink_to(root)
    (root / "h").symlink_to(root / "c")
    assert paths(root) == IN_ORDER


def test_a_folder_that_cannot_be_read_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "c":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = list(files_below(root))
    assert FoundFile("c/", "The folder cannot be read: Permission denied.") in found
    assert "f/1" in [each.path for each in found]
