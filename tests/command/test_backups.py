"""The commands that make, try and restore backups, and build an index where all else is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kinote.command.main import app
from tests.intake.objects import image

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KINOTE_BACKUP_FOLDER", str(tmp_path / "backups"))

    def invoke(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == status, done.output + repr(done.exception)
        return done.output

    return invoke


def read(output: str) -> Any:
    return json.loads(output[output.index("{") : output.rindex("}") + 1])


def test_a_store_is_backed_up_restored_and_built_again(run: Run, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.dcm").write_bytes(image(number, rows=300))
    data = ["--data", "data"]
    run("import", "1.dcm", *data)
    run("withdraw", "quality", "--instance", "1.2.3.4.9", *data)
    assert "There is no good backup" in run("backup", "--list", *data)
    assert read(run("backup", "--images", "--json", *data))["state"] == "good"
    run("import", "2.dcm", *data)
    run("withdraw", "quality", "--instance", "1.2.3.4.1", *data)

    report = read(run("restore", "backups", "--drill", "--json"))
    assert (report["is_good"], report["problems"], report["objects_read"]) == (True, [], 1)
    assert "is there and has objects" in run("restore", "backups", *data, status=1)

    shutil.copytree("data", "lost")
    (tmp_path / "lost" / "kinote.sqlite").unlink()
    found = read(run("restore", "backups", "--json", "--data", "lost"))
    assert (found["hidden"], found["adopted"]["adopted"]) == ({"withdrawn": 1}, 1)
    lost = ["--data", "lost"]
    assert "disagree in 0 things" in run("doctor", "--journal", *lost)
    assert "0 things are wrong" in run("doctor", "--laws", *lost)
    assert standing(run, "1.2.3.4.1", lost) == standing(run, "1.2.3.4.2", lost) == "withdrawn"

    (tmp_path / "lost" / "kinote.sqlite").unlink()
    said = run("doctor", "--rebuild", *lost)
    assert "wait for a person" in said
    assert "Not known from files" in said
    # One of them waited before; the journal knows that, too.
    waiting = read(run("adopted", "list", "--json", *lost))["items"]
    assert [each["instances"] for each in waiting] == [1, 1]
    run("adopted", "accept", *lost, status=2)
    assert "0 objects" in run("adopted", "accept", "--sender", "CT9", *lost)
    assert "2 objects" in run("adopted", "accept", "--all", *lost)
    # What was rejected stays out of use: the journal knows it.
    assert standing(run, "1.2.3.4.1", lost) == "withdrawn"
    assert standing(run, "1.2.3.4.2", lost) == "live"
    assert "disagree in 0 things" in run("doctor", "--journal", *lost)


def standing(run: Run, uid: str, data: list[str]) -> str:
    account = read(run("account", "1.2.3", *data))
    found: str = next(name for name, tally in account["by_standing"].items() if f"'{uid}'" in repr(tally))
    return found
