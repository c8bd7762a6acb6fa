"""The commands a PACS administrator types, against a real server and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from kinote.keyobject.writer import encode_file
from tests.intake.objects import image
from tests.keyobject.documents import document
from tests.running_server import RunningServer

SOURCE = Path(__file__).parents[1] / "src"


def kinote(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kinote", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"},
        check=False,
    )


def filled(folder: Path) -> Path:
    folder.mkdir()
    (folder / "one.dcm").write_bytes(image(1))
    (folder / "again.dcm").write_bytes(image(1))
    (folder / "two").write_bytes(image(2))
    (folder / "other.dcm").write_bytes(image(2, PatientName="Other^Name"))
    (folder / "note.dcm").write_bytes(encode_file(document()))
    (folder / "README.TXT").write_text("no DICOM at all")
    return folder


COUNTS = {"stored": 3, "known": 1, "held": 1, "refused": 1}


def test_import_reports_what_became_of_each_file(tmp_path: Path) -> None:
    files = filled(tmp_path / "files")
    done = kinote("import", files, "--data", "data", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["counts"] == COUNTS
    assert [Path(item["name"]).name for item in report["refused"]] == ["README.TXT"]
    assert "other content" in report["held"][0]["reason"]
    account = json.loads(kinote("account", "1.2.3", "--data", "data", cwd=tmp_path).stdout)
    assert account["by_standing"]["live"]["count"] == 3
    explained = kinote("explain", "1.2.3.4.2", "--data", "data", cwd=tmp_path).stdout
    assert "It is live" in explained
    assert "It is held" in explained


def test_commands_use_the_running_server(tmp_path: Path) -> None:
    files = filled(tmp_path / "files")
    server = RunningServer(tmp_path / "data")
    try:
        done = kinote("import", files, "--data", "data", "--json", cwd=tmp_path)
        assert json.loads(done.stdout)["counts"] == COUNTS, done.stderr
        account = json.loads(kinote("account", "1.2.3", "--data", "data", cwd=tmp_path).stdout)
        assert account["by_standing"]["live"]["count"] == 3
        assert "It is live" in kinote("explain", "1.2.3.4.1", "--data", "data", cwd=tmp_path).stdout
        second = kinote("serve", "--data", "data", "--http-port", "0", cwd=tmp_path)
        assert second.returncode == 2
        assert "in use by another Kinote" in second.stderr
    finally:
        server.stop()


def test_check_prints_findings_and_fails_on_errors(tmp_path: Path) -> None:
    (tmp_path / "good.dcm").write_bytes(encode_file(document()))
    (tmp_path / "image.dcm").write_bytes(image())
    good = kinote("check", "good.dcm", "--json", cwd=tmp_path)
    assert (good.returncode, json.loads(good.stdout)) == (
        0,
        [{"file": "good.dcm", "registration": "registered", "findings": []}],
    )
    bad = kinote("check", "good.dcm", "image.dcm", cwd=tmp_path)
    assert bad.returncode == 1
    assert "NOT_A_KEY_OBJECT" in bad.stdout


def test_other_addresses_than_loopback_are_refused(tmp_path: Path) -> None:
    done = kinote("serve", "--http-host", "0.0.0.0", cwd=tmp_path)
    assert done.returncode == 2
    assert "loopback" in done.stderr


def test_names_of_files_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "odd [red]names [b"
    folder.mkdir()
    (folder / "[x].dcm").write_bytes(encode_file(document()))
    (folder / "[red] [b].txt").write_text("no DICOM at all")
    checked = kinote("check", folder, cwd=tmp_path)
    assert f"{folder}/[x].dcm: registered" in checked.stdout.replace("\n", "")
    imported = kinote("import", folder, "--data", "data", cwd=tmp_path)
    assert "[red] [b].txt: " in imported.stdout, imported.stderr


def test_a_server_that_is_terminated_closes_its_house(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    server.stop()
    assert server.process.returncode == 0
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert "server.json" not in left
    assert "kinote.sqlite-wal" not in left
