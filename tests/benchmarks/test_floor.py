"""The floor does what it says: all bytes are there, with their digests, in each form."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from benchmarks.dicom_sender import KINDS
from benchmarks.floor import DIGESTS, FLOORS, LABELS, SETTINGS, Floor, allows_direct

#: Of lengths that are a multiple of no block, one that is, and one of several portions.
FILES = [bytes([number]) * size for number, size in enumerate((1, 4096, 5000, 300_001), start=1)]


def _rows(path: Path) -> dict[str, tuple[bytes, int, bytes | None]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, digest, size, data FROM object").fetchall()
    connection.close()
    return {name: tuple(rest) for name, *rest in found}


@pytest.mark.parametrize("form", ["files", "direct", "pack", "index"])
def test_everything_is_kept(tmp_path: Path, form: str) -> None:
    if form == "direct" and not allows_direct(tmp_path):
        form = "files"
    (tmp_path / "floor").mkdir()
    reached = Floor(tmp_path / "floor", form, DIGESTS["sha256"]).run(FILES, threads=2, seconds=60)
    assert reached["sent"] == len(FILES)
    index = _rows(tmp_path / "floor" / "index.sqlite")
    assert {name: row[:2] for name, row in index.items()} == {
        str(at): (hashlib.sha256(data).digest(), len(data)) for at, data in enumerate(FILES)
    }
    for at, data in enumerate(FILES):
        match form:
            case "pack":
                kept = _rows(tmp_path / "floor" / "pack.sqlite")[str(at)][2]
            case "index":
                kept = index[str(at)][2]
            case _:
                kept = (tmp_path / "floor" / str(at)).read_bytes()
        assert kept == data


def test_what_does_not_begin_in_time_is_left(tmp_path: Path) -> None:
    assert Floor(tmp_path, "index", DIGESTS["sha256"]).run(FILES, threads=2, seconds=-1)["sent"] == 0


def test_every_floor_is_explained() -> None:
    assert FLOORS.keys() == SETTINGS.keys()
    assert LABELS.keys() < FLOORS.keys()
    assert FLOORS["floor"].keys() == KINDS.keys()
