"""What installs a server: the unit for systemd, and the steps of the Containerfile."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kinote.security.rights import COMMANDS
from kinote.settings.model import PREFIX, Settings
from tests.project.container_steps import KINDS, instructions

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "kinote.service"

#: The exposure that systemd finds at most, of 100.
MOST_EXPOSED = 25


def values(name: str) -> list[str]:
    """The values of a key of the unit."""
    return [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def test_the_unit_runs_the_server_with_settings_that_there_are() -> None:
    (command,) = values("ExecStart")
    words = shlex.split(command)
    assert words[1:3] == ["-m", "kinote"]
    assert words[3] == "--config"
    assert words[5] in COMMANDS
    for setting in values("Environment"):
        assert setting.partition("=")[0].removeprefix(PREFIX).lower() in Settings.model_fields


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    written = UNIT.read_text().replace("/opt/kinote/bin/python", sys.executable)
    # The user is there once it was added.
    written = re.sub(r"^(User|Group)=.*$", r"\1=daemon", written, flags=re.M)
    unit = tmp_path / "kinote.service"
    unit.write_text(written)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, "kinote.service:" in verified.stderr) == (0, False), verified.stderr
    exposed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert exposed.returncode == 0, exposed.stdout[-2000:] + exposed.stderr


def test_the_container_runs_as_nobody_and_keeps_its_data_in_a_volume() -> None:
    assert of("USER") == ["10001:10001"]
    environment = dict(pair.split("=", 1) for each in of("ENV") for pair in each.split())
    assert of("VOLUME") == [environment["KINOTE_DATA"]]
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    assert json.loads(entry)[1:] == ["-m", "kinote"]
    assert json.loads(command)[0] in COMMANDS
    for name in environment:
        assert not name.startswith(PREFIX) or name.removeprefix(PREFIX).lower() in Settings.model_fields


def test_the_steps_of_the_container_are_those_that_can_be_tried_without_one() -> None:
    assert {name for name, _ in instructions()} <= KINDS
