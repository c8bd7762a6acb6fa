"""`kinote peers` and `kinote destinations`, with a server and without one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from kinote.app import open_application
from kinote.command.main import app
from kinote.settings.model import Settings
from tests.running_server import RunningServer
from tests.scp.face import OPTIONS, Face, face


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Face]:
    with face(tmp_path / "peer", OPTIONS) as opened:
        yield opened


class Typed:
    """Commands in this process, on a data directory: as programs of their own each would take a second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Typed(tmp_path)
    # Commands set up the log for themselves.
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def store(typed: Typed) -> Typed:
    """The same on a new store that no server has open."""
    with open_application(Settings.model_validate({"data": typed.folder / "data"})):
        pass
    return typed


def test_peers_are_managed_while_a_server_runs_and_used_by_other_commands(typed: Typed, peer: Face) -> None:
    (typed.folder / "kinote.toml").write_text('[[entities]]\ntitle = "CT1"\nhost = "127.0.0.1"\n')
    server = RunningServer(typed.folder / "data")
    try:
        here = f"KINOTE@{peer.host}:{peer.port}"
        added = typed.json("peers", "add", "Second", "--dicom", here, "--right", "reject")
        assert (added["ae_titles"], added["rights"], added["origin"]) == (["KINOTE"], ["reject"], "people")
        assert [each["name"] for each in typed.json("peers", "list")] == ["CT1", "Second"]
        listed = typed("peers", "list")
        assert "CT1" in listed and here in listed and "settings" in listed
        assert f"Second at {here} answers, in " in typed("peers", "echo", "KINOTE")
        # By its name and by its title, as whoever sends and asks does.
        assert f"KINOTE at {peer.host}:{peer.port} answers" in typed("echo", "Second")
        assert typed.json("find", "KINOTE", "PatientID") == []
        sent = typed.json("destinations", "add", "Station", "Second", "--content", "notes")
        assert (sent["policy"]["content"], sent["address"]) == ("notes", here)
        assert "'Station'" in typed("peers", "remove", "Second", status=1)
        assert "comes from the settings" in typed("peers", "remove", "CT1", status=1)
        assert "Traceback" not in server.log()
    finally:
        server.stop()


def test_peers_are_managed_without_a_server(store: Typed) -> None:
    typed, folder = store, str(store.folder)
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
    assert "is a folder that this server may write to" in typed("peers", "echo", "A", "--endpoint", folder)
    assert "no endpoint 'B'" in typed("peers", "echo", "A", "--endpoint", "B", status=1)
    added = typed.json("destinations", "add", "Out", "A", "--endpoint", folder)
    moved = typed.json(
        "destinations", "change", "Out", "--peer", "ARCHIVE", "--associations", "3", "--rejection-notes"
    )
    assert (moved["id"], moved["address"]) == (added["id"], address)
    assert moved["policy"] == {
        "content": "all",
        "associations": 3,
        "rejection_notes": True,
        "availability": False,
        "transfer_syntaxes": [],
        "bytes_per_second": 0,
        "hours": "",
        "downtime_from": "",
        "downtime_until": "",
        "downtime_why": "",
        "queried": True,
        "pulled": "all",
        "pulled_without_notes": "all",
    }
    assert f"sends all, with rejection notes, to A at {address}" in typed("destinations", "show", "Out")
    assert "Out" in typed("destinations", "list")
    assert typed("destinations", "remove", "Out").startswith("Out (removed)")
    assert typed("peers", "remove", "A").startswith("A (removed)")
    assert typed.json("peers", "list") == typed.json("destinations", "list") == []
    assert len(typed.json("peers", "list", "--ended")) == 1


def test_what_cannot_be_is_told(store: Typed) -> None:
    typed = store
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
