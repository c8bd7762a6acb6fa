"""`kinote peers` and `kinote destinations`, with a server and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kinote.app import open_house
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


def test_peers_are_managed_without_a_server(tmp_path: Path) -> None:
    with open_house(Settings.model_validate({"data": tmp_path / "data"})):
        pass
    address = "ARCHIVE@127.0.0.1:1"
    done(
        tmp_path,
        "peers",
        "add",
        "Archive",
        "--dicom",
        address,
        "--folder",
        str(tmp_path),
        "--service",
        "store",
    )
    first = as_json(tmp_path, "peers", "show", "ARCHIVE")
    changed = as_json(
        tmp_path, "peers", "change", "Archive", "--dicom", "NEW@[::1]:104", "--tls", "--disabled"
    )
    assert [(each["id"], each["address"]) for each in changed["endpoints"]] == [
        (first["endpoints"][0]["id"], "NEW@[::1]:104"),
        (first["endpoints"][1]["id"], str(tmp_path)),
    ]
    # They were those of its endpoints, and are that still.
    assert (changed["ae_titles"], changed["hosts"], changed["services"]) == (["NEW"], ["::1"], ["store"])
    assert (changed["enabled"], changed["endpoints"][0]["tls"]) == (False, True)
    shown = done(tmp_path, "peers", "show", str(changed["id"]))
    assert "Archive (disabled)" in shown and "NEW@[::1]:104 (dimse, TLS)" in shown
    refused = kinote("echo", "Archive", "--data", "data", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (2, "kinote: The peer 'Archive' is disabled.\n")
    changed = as_json(
        tmp_path,
        "peers",
        "change",
        "Archive",
        "--enabled",
        "--host",
        "any",
        "--service",
        "none",
        "--name",
        "A",
    )
    assert (changed["enabled"], changed["hosts"], changed["services"], changed["name"]) == (True, [], [], "A")
    assert "does not answer" in done(tmp_path, "peers", "echo", "A", status=1)
    assert "is a folder in which" in done(tmp_path, "peers", "echo", "A", "--endpoint", str(tmp_path))
    added = as_json(tmp_path, "destinations", "add", "Out", "A", "--endpoint", str(tmp_path))
    moved = as_json(
        tmp_path, "destinations", "change", "Out", "--peer", "NEW", "--associations", "3", "--rejection-notes"
    )
    assert (moved["id"], moved["address"]) == (added["id"], "NEW@[::1]:104")
    assert moved["policy"] == {"content": "all", "associations": 3, "rejection_notes": True}
    assert "sends all, with rejection notes, to A at NEW@[::1]:104" in done(
        tmp_path, "destinations", "show", "Out"
    )
    assert done(tmp_path, "destinations", "remove", "Out").startswith("Out (removed)")
    assert done(tmp_path, "peers", "remove", "A").startswith("A (removed)")
    assert as_json(tmp_path, "peers", "list") == as_json(tmp_path, "destinations", "list") == []
    assert len(as_json(tmp_path, "peers", "list", "--ended")) == 1
    assert "There is no peer 'A'" in done(tmp_path, "peers", "show", "A", status=1)
    assert "There is no destination 'Out'" in done(tmp_path, "destinations", "show", "Out", status=1)


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with open_house(Settings.model_validate({"data": tmp_path / "data"})):
        pass
    told = kinote("peers", "add", "A", "--dicom", "10.1.2.3:104", "--data", "data", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (
        2,
        "kinote: '10.1.2.3:104' is not of the form TITLE@host:port.\n",
    )
    told = kinote("peers", "add", "A", "--dicom", "A@b:0", "--right", "all", "--data", "data", cwd=tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith("kinote: rights[0]: ")
    nobody = kinote("echo", "NOBODY", "--data", "data", cwd=tmp_path)
    assert nobody.returncode == 2
    assert "'NOBODY' is neither a peer of this Kinote" in nobody.stderr
    # Where there is no store there is nobody to ask.
    assert kinote("echo", "NOBODY", "--data", "elsewhere", cwd=tmp_path).stderr == nobody.stderr
    assert not (tmp_path / "elsewhere").exists()
