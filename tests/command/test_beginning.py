"""How commands come to the store: what they make, what they leave, and whose turn it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest

from kinote.storage.directory.data_directory import DataDirectory
from tests.command_line import kinote
from tests.intake.objects import image
from tests.running_server import RunningServer

#: Commands that bring nothing in.
READING = [
    ("account", "1.2.3"),
    ("explain", "1.2.3.4.1"),
    ("send", "OTHER@127.0.0.1:1", "--study", "1.2.3"),
    ("doctor",),
    ("doctor", "--scrub"),
    ("doctor", "--repair"),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_command_that_only_reads_makes_no_data_directory(
    tmp_path: Path, command: tuple[str, ...], is_there: bool
) -> None:
    data = tmp_path / "data"
    if is_there:
        data.mkdir()
        (data / "letter.txt").write_text("of somebody else")
    done = kinote(*command, "--data", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"kinote: {data} is no data directory of Kinote")
    assert [path.name for path in tmp_path.rglob("*")] == (["data", "letter.txt"] if is_there else [])


def test_a_command_says_which_process_has_the_directory(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    (tmp_path / "image.dcm").write_bytes(image())
    done = kinote("import", "image.dcm", "--data", "data", cwd=tmp_path)
    directory.close()
    assert done.returncode == 1
    assert f"in use by another Kinote (process {os.getpid()})" in done.stderr


def test_a_server_whose_lock_was_removed_stays_the_only_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = RunningServer(data)
    try:
        (data / "lock").unlink()
        second = kinote("serve", "--data", "data", "--http-port", "0", "--dicom-port", "0", cwd=tmp_path)
        assert second.returncode == 1
        assert "in use by another Kinote" in second.stderr
        assert httpx.get(f"{server.url}/readyz", trust_env=False, timeout=60).json()["alerts"] == []
        assert (data / "lock").read_text() == str(server.process.pid)
        assert "was removed" in server.log()
        data.rename(tmp_path / "elsewhere")
        alerts = httpx.get(f"{server.url}/readyz", trust_env=False, timeout=60).json()["alerts"]
        assert [alert["code"] for alert in alerts] == ["DATA_DIRECTORY_MOVED", "STORE_UNREACHABLE"]
        (tmp_path / "elsewhere").rename(data)
        assert httpx.get(f"{server.url}/readyz", trust_env=False, timeout=60).json()["alerts"] == []
    finally:
        server.stop()


@pytest.mark.parametrize("is_running", [True, False])
def test_a_command_prints_nothing_but_its_answer(tmp_path: Path, is_running: bool) -> None:
    (tmp_path / "image.dcm").write_bytes(image())
    assert kinote("import", "image.dcm", "--data", "data", cwd=tmp_path).returncode == 0
    server = RunningServer(tmp_path / "data") if is_running else None
    try:
        done = kinote("account", "1.2.3", "--data", "data", cwd=tmp_path)
        missing = kinote("explain", "1.2.3/4?5", "--data", "data", cwd=tmp_path)
    finally:
        if server:
            server.stop()
    assert (done.stderr, json.loads(done.stdout)["by_standing"]["live"]["count"]) == ("", 1)
    assert missing.returncode == 1
    assert missing.stderr.startswith("kinote: Kinote has never had an instance 1.2.3/4?5.")
    assert missing.stdout.startswith("NEVER_OFFERED: ")
