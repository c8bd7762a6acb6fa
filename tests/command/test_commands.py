"""The commands a PACS administrator types, against a real server and without one."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pydicom
import pytest

from kinote.demo.studies import real_images
from kinote.keyobject.writer import encode_file
from kinote.settings.model import Settings
from tests.command_line import kinote
from tests.intake.objects import image
from tests.keyobject.documents import document
from tests.running_server import RunningServer


def filled(folder: Path) -> Path:
    folder.mkdir()
    (folder / "one.dcm").write_bytes(image(1))
    (folder / "again.dcm").write_bytes(image(1))
    (folder / "two").write_bytes(image(2))
    (folder / "other.dcm").write_bytes(image(2, PatientComments="other"))
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
        assert second.returncode == 1
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
    assert bad.stdout.splitlines()[-2:] == [
        "2 files: 1 registered, 1 unreadable.",
        "       1  NOT_A_KEY_OBJECT",
    ]


def test_other_addresses_than_loopback_are_refused(tmp_path: Path) -> None:
    done = kinote("serve", "--http-host", "0.0.0.0", cwd=tmp_path)
    assert done.returncode == 2
    assert "loopback" in done.stderr


def test_a_page_of_an_allowed_origin_may_change_things(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINOTE_ALLOWED_ORIGINS", "https://viewer.example")
    server = RunningServer(tmp_path / "data")
    try:
        answers = {
            origin: httpx.post(
                f"{server.url}/api/v1/studies/1.2/notes",
                headers={"Origin": origin},
                json={},
                trust_env=False,
                timeout=60,
            ).json()
            for origin in ("https://viewer.example", "https://other.example")
        }
    finally:
        server.stop()
    assert answers["https://viewer.example"]["status"] == 422
    refusal = answers["https://other.example"]
    assert refusal["type"] == "urn:kinote:problem:foreign-origin"
    # What the message tells people to set is there to be set.
    assert set(re.findall(r"allowed_\w+", refusal["detail"])) <= set(Settings.model_fields)


def test_names_of_files_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "odd [red]names [b"
    folder.mkdir()
    (folder / "[x].dcm").write_bytes(encode_file(document()))
    (folder / "[red] [b].txt").write_text("no DICOM at all")
    checked = kinote("check", folder, cwd=tmp_path)
    assert f"{folder}/[x].dcm: registered" in checked.stdout.splitlines()
    imported = kinote("import", folder, "--data", "data", cwd=tmp_path)
    assert "[red] [b].txt: " in imported.stdout, imported.stderr


def test_a_server_that_is_terminated_closes_its_product(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    server.stop()
    assert server.process.returncode == 0
    left = {path.name for path in (tmp_path / "data").iterdir()}
    assert "server.json" not in left
    assert "kinote.sqlite-wal" not in left


def told(done: subprocess.CompletedProcess[str], status: int) -> str:
    """What a command that could not be done says: lines of its own on standard error, and nothing else."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines and all(line.startswith("kinote: ") for line in lines), done.stderr
    return done.stderr


ACCOUNT = ("account", "1.2.3", "--data", "data")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("http_port =", "kinote.toml is no valid TOML"),
        ("htp_port = 1", "Did you mean http_port?"),
        ("http_port = 99999\nlog_json = 7", "from 0 to 65535"),
        ('http_host = "192.0.2.1"', "loopback"),
        ('database = "mysql://kinote:geheim@db/kinote"', "postgresql://"),
    ],
)
def test_settings_that_cannot_be_used_are_told(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "kinote.toml").write_text(content)
    message = told(kinote(*ACCOUNT, cwd=tmp_path), 2)
    assert f"{tmp_path}/kinote.toml" in message
    assert said in message
    assert "geheim" not in message


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # Bound, but not listened on: whoever comes is turned away.
        taken.bind(("127.0.0.1", 0))
        (tmp_path / "kinote.toml").write_text(
            f'database = "postgresql://kinote:geheim@127.0.0.1:{taken.getsockname()[1]}/x"'
        )
        (tmp_path / "image.dcm").write_bytes(image())
        message = told(kinote("import", "image.dcm", "--data", "data", cwd=tmp_path), 1)
    assert "postgresql://kinote:***@127.0.0.1" in message
    assert "refused" in message
    assert "geheim" not in message


def _no_sqlite(file: Path) -> None:
    file.write_bytes(b"this is no database " * 500)


def _torn_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:8000])


def _foreign(file: Path) -> None:
    file.unlink()
    # Where a Kinote has begun, the index would be missed.
    file.with_name("installation.json").unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE theirs (value TEXT)")


def _newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_no_sqlite, "not a database"),
        (_torn_off, "malformed"),
        (_foreign, "another program"),
        (_newer, "newer version of Kinote"),
    ],
)
def test_an_index_that_is_none_of_ours_is_told(
    tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    (tmp_path / "note.dcm").write_bytes(encode_file(document()))
    assert kinote("import", "note.dcm", "--data", "data", cwd=tmp_path).returncode == 0
    file = tmp_path / "data" / "kinote.sqlite"
    harm(file)
    for command in (ACCOUNT, ("serve", "--data", "data", "--http-port", "0")):
        message = told(kinote(*command, cwd=tmp_path), 1)
        assert str(file) in message
        assert said in message


@pytest.mark.parametrize("data", ["file", "file/below", "/proc/nothing/here"])
def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path, data: str) -> None:
    (tmp_path / "file").write_text("in the way")
    for command in (("account", "1.2.3"), ("serve", "--http-port", "0"), ("demo", "--http-port", "0")):
        message = told(kinote(*command, "--data", data, cwd=tmp_path), 1)
        assert str(tmp_path / data) in message
        assert "--data" in message


def test_a_demo_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    # The store has another image under a UID of the demo's: that of the demo would only be held.
    image_of_demo = pydicom.dcmread(real_images()[0])
    image_of_demo.PatientComments = "other"
    image_of_demo.save_as(tmp_path / "other.dcm")
    assert kinote("import", "other.dcm", "--data", "data", cwd=tmp_path).returncode == 0
    done = kinote("demo", "--data", "data", "--http-port", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    # A server logs what it does until then; what it tells comes last.
    message = done.stderr.splitlines()[-1]
    assert message.startswith("kinote: ")
    assert "of the demo was refused" in message
    assert "--data" in message


def test_lines_are_not_broken_where_nobody_s_screen_is(tmp_path: Path) -> None:
    folder = tmp_path / ("a folder with a long name " * 5) / ("and another one in it " * 5)
    folder.mkdir(parents=True)
    (folder / "image.dcm").write_bytes(image())
    checked = kinote("check", folder / "image.dcm", cwd=tmp_path)
    assert f"{folder}/image.dcm: unreadable" in checked.stdout.splitlines()
    imported = kinote("import", folder, "--data", tmp_path / "data", cwd=tmp_path)
    assert "1 taken, 0 known already, 0 held, 0 refused." in imported.stdout.splitlines()
    missing = kinote("import", folder / "nothing here", cwd=tmp_path)
    assert missing.stderr == f"kinote: {folder}/nothing here does not exist.\n"
