"""Packs and images of backups: a kill, a full disk or a file that cannot be read harms no backup that was made."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kinote.backup import objects
from kinote.backup.manifest import copied_pack, part_of
from kinote.backup.objects import Image, copy_image, copy_packs


def silent(_done: int, _total: int) -> None:
    """Nobody looks."""


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    folder = tmp_path / "packs of 100% #1?"
    folder.mkdir()
    (folder / "1.pack").write_bytes(b"one")
    return folder


def grow(packs: Path) -> None:
    with (packs / "1.pack").open("ab") as file:
        file.write(b"and more")


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize("after", range(4))
def test_a_kill_while_a_pack_is_copied_again_harms_no_backup(
    function: str, after: int, packs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copies"
    copy = target / "1.pack"
    first = copy_packs(packs, target, silent)["1.pack"]
    grow(packs)
    with monkeypatch.context() as patched:
        left = [after]

        def cut(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object) -> object:
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
                return real(*arguments)

            return call

        if function == "replace":
            patched.setattr(Path, "replace", cut(Path.replace))
        else:
            patched.setattr(os, "fsync", cut(os.fsync))
        with suppress(KeyboardInterrupt):
            copy_packs(packs, target, silent)
    now = part_of(copy)
    assert now == first or now in copied_pack(copy)[1]
    again = copy_packs(packs, target, silent)["1.pack"]
    assert again == part_of(packs / "1.pack") == part_of(copy)


#: What the index says of an image. None of these tests comes as far as its digest.
IMAGE = Image("1.2", 1, "1.dcm", 0, 5, "", "blake3")


class _Unreadable:
    """A file on a disk with a bad sector."""

    def __enter__(self) -> _Unreadable:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, _size: int) -> bytes:
        raise OSError(5, "Input/output error")


def test_law_5_an_image_that_cannot_be_opened_or_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read" in (copy_image(tmp_path / "loop", tmp_path / "copy.dcm", IMAGE) or "")

    opened = Path.open

    def open_(path: Path, *arguments: object, **named: object) -> object:
        return _Unreadable() if path.name == "bad.dcm" else opened(path, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_)
    assert "Input/output error" in (copy_image(tmp_path / "bad.dcm", tmp_path / "copy.dcm", IMAGE) or "")
    assert not (tmp_path / "copy.dcm").exists()


def test_a_copy_that_cannot_be_written_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.dcm").write_bytes(b"image")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(objects, "_write", full)
    with pytest.raises(OSError, match="No space"):
        copy_image(tmp_path / "1.dcm", tmp_path / "copy.dcm", IMAGE)
