"""`kinote peers` and `kinote destinations`, with a server and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kinote.app import open_house
from kinote.command.main import app
from kinote.settings.model import Settings
from tests.command_line import kinote
from tests.running_server import RunningServer
from tests.scp.face import OPTIONS, Face, face


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Face]:
    with face(tmp_path / "peer", OPTIONS) as opened:
        yield opened


def done(folder: Path, *arguments: str, status: int = 0) -> str:
    """What a command prints, on standard error where it fails."""
    found = kinote(*arguments, "--data", "data", cwd=folder)
    assert found.returncode == status, found.stderr
    return found.stderr if status else found.stdout


def as_json(folder: Path, *arguments: str) -> Any:
    return json.loads(done(folder, *arguments, "--json"))


def test_peers_are_managed_while_a_server_runs_and_used_by_other_commands(tmp_path: Path, peer: Face) -> None:
    (tmp_path / "kinote.toml").write_text('[[entities]]\ntitle = "CT1"\nhost = "127.0.0.1"\n')
    server = RunningServer(tmp_path / "data")
    try:
        here = f"KINOTE@{peer.host}:{peer.port}"
        added = as_json(tmp_path, "peers", "add", "Second", "--dicom", here, "--right", "reject")
        assert (added["ae_titles"], added["rights"], added["origin"]) == (["KINOTE"], ["reject"], "people")
        assert [each["name"] for each in as_json(tmp_path, "peers", "list")] == ["CT1", "Second"]
        listed = done(tmp_path, "peers", "list")
        assert "CT1" in listed and here in listed and "settings" in listed
        assert f"Second at {here} answers, in " in done(tmp_path, "peers", "echo", "KINOTE")
        # By its name and by its title, as whoever sends and asks does.
        assert f"KINOTE at {peer.host}:{peer.port} answers" in done(tmp_path, "echo", "Second")
        assert done(tmp_path, "find", "KINOTE", "PatientID", "--json") == "[]\n"
        sent = as_json(tmp_path, "destinations", "add", "Station", "Second", "--content", "notes")
        assert (sent["policy"]["content"], sent["address"]) == ("notes", here)
        refused = done(tmp_path, "peers", "remove", "Second", status=1)
        assert "'Station'" in refused
        told = done(tmp_path, "peers", "remove", "CT1", status=1)
        assert "comes from the settings" in told
        assert "Traceback" not in server.log()
    finally:
        server.stop()


class Typed:
    """Commands in this process, on a new data directory: each would take a second by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with open_house(Settings.model_validate({"data": folder / "data"})):
            pass

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """What a command prints, wherever."""
        found = CliRunner().invoke(
            app, [*arguments, "--data", str(self.folder / "data")], catch_exceptions=False
        )
        assert found.exit_code == status, found.output
        return found.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.chdir(tmp_path)
    # It would take the log away from the test run.
    monkeypatch.setattr("kinote.command.begun.set_up_logs", lambda **_: None)
    return Typed(tmp_path)


def test_peers_are_managed_without_a_server(typed: Typed) -> None:
    folder = str(typed.folder)
    address = "ARCHIVE@127.0.0.1:1"
    typed("peers", "add", "Archive", "--dicom", address, "--folder", folder, "--service", "store")
    first = typed.json("peers", "show", "ARCHIVE")
    changed = typed.json("peers", "change", "Archive", "--dicom", "NEW@[::1]:104", "--tls", "--disabled")
    assert [(each["id"], each["address"]) for each in changed["endpoints"]] == [
        (first["endpoints"][0]["id"], "NEW@[::1]:104"),
        (first["endpoints"][1]["id"], folder),
    ]
    # They were those of its endpoints, and are that still.
    assert (changed["ae_titles"], changed["hosts"], changed["services"]) == (["NEW"], ["::1"], ["store"])
    assert (changed["enabled"], changed["endpoints"][0]["tls"]) == (False, True)
    shown = typed("peers", "show", str(changed["id"]))
    assert "Archive (disabled)" in shown and "NEW@[::1]:104 (dimse, TLS)" in shown
    assert "The peer 'Archive' is disabled." in typed("echo", "Archive", status=2)
    options = ("--enabled", "--host", "any", "--service", "none", "--name", "A", "--dicom", address)
    changed = typed.json("peers", "change", "Archive", *options)
    assert (changed["enabled"], changed["hosts"], changed["services"], changed["name"]) == (True, [], [], "A")
    assert "does not answer: " in typed("peers", "echo", "A", status=1)
    assert "is a folder in which" in typed("peers", "echo", "A", "--endpoint", folder)
    assert "no endpoint 'B'" in typed("peers", "echo", "A", "--endpoint", "B", status=1)
    added = typed.json("destinations", "add", "Out", "A", "--endpoint", folder)
    moved = typed.json(
        "destinations", "change", "Out", "--peer", "ARCHIVE", "--associations", "3", "--rejection-notes"
    )
    assert (moved["id"], moved["address"]) == (added["id"], address)
    assert moved["policy"] == {"content": "all", "associations": 3, "rejection_notes": True}
    assert f"sends all, with rejection notes, to A at {address}" in typed("destinations", "show", "Out")
    assert "Out" in typed("destinations", "list")
    assert typed("destinations", "remove", "Out").startswith("Out (removed)")
    assert typed("peers", "remove", "A").startswith("A (removed)")
    assert typed.json("peers", "list") == typed.json("destinations", "list") == []
    assert len(typed.json("peers", "list", "--ended")) == 1


def test_what_cannot_be_is_told(typed: Typed) -> None:
    for arguments, status, said in (
        (
            ("peers", "add", "A", "--dicom", "10.1.2.3:104"),
            2,
            "'10.1.2.3:104' is not of the form TITLE@host:port.",
        ),
        (("peers", "add", "A", "--mllp", "10.1.2.3"), 2, "'10.1.2.3' is not of the form host:port."),
        (("peers", "add", "A", "--dicom", "A@b:0", "--right", "all"), 1, "kinote: rights[0]: "),
        (("peers", "show", "A"), 1, "There is no peer 'A'"),
        (("destinations", "show", "Out"), 1, "There is no destination 'Out'"),
        (("echo", "NOBODY"), 2, "'NOBODY' is neither a peer of this Kinote"),
    ):
        assert said in typed(*arguments, status=status)
    # Where there is no store there is nobody to ask.
    elsewhere = typed.folder / "elsewhere"
    found = CliRunner().invoke(app, ["echo", "NOBODY", "--data", str(elsewhere)])
    assert (found.exit_code, "'NOBODY' is neither" in found.output) == (2, True)
    assert not elsewhere.exists()
