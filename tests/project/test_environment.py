"""scripts/environment.sh: the environments that scripts/run and scripts/test make for themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.sources import ROOT

EMPTY = "# Nothing is needed.\n"
UNKNOWN_DIGEST = "pip==1.0 --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with nothing but the script, and a space in its name."""
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment.sh", folder / "scripts")
    return folder


def _run(checkout: Path, commands: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run commands after the script was sourced; programs in `path` come before the system's."""
    environment = {
        "PATH": f"{path or checkout / 'nothing'}:{os.environ['PATH']}",
        "HOME": str(checkout.parent),
    }
    # Without any registry: what is asked for beyond nothing cannot be had.
    environment |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail\nsource scripts/environment.sh\n{commands}"],
        cwd=checkout,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_an_environment_works_where_it_ends_up_and_is_not_made_twice(checkout: Path) -> None:
    (checkout / "some.txt").write_text(EMPTY)
    first = _run(checkout, "make_environment .venv some.txt\n.venv/bin/pip --version")
    assert first.returncode == 0, first.stderr
    assert str(checkout / ".venv") in first.stdout
    assert "Making the environment" in first.stderr
    assert "making" not in "".join((checkout / ".venv" / "bin" / "activate").read_text().split("making sure"))
    second = _run(checkout, "make_environment .venv some.txt")
    assert (second.returncode, second.stderr) == (0, "")


def test_a_failure_leaves_nothing_half_made(checkout: Path) -> None:
    (checkout / "some.txt").write_text(UNKNOWN_DIGEST)
    result = _run(checkout, "make_environment .venv some.txt")
    assert result.returncode != 0
    assert "pip could not install some.txt" in result.stderr
    assert sorted(path.name for path in checkout.iterdir()) == ["scripts", "some.txt"]


def test_a_failure_leaves_the_environment_that_was_there(checkout: Path) -> None:
    (checkout / "some.txt").write_text(EMPTY)
    assert _run(checkout, "make_environment .venv some.txt").returncode == 0
    (checkout / "some.txt").write_text(UNKNOWN_DIGEST)
    assert _run(checkout, "make_environment .venv some.txt").returncode != 0
    assert _run(checkout, ".venv/bin/python -c ''").returncode == 0


#: A Python as Debian has it without python3-venv.
WITHOUT_ENSUREPIP = f"""case "$*" in
*ensurepip*) exit 1 ;;
*) exec {sys.executable} "$@" ;;
esac"""


def test_who_is_not_root_is_told_the_command_that_brings_ensurepip(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    _program(programs, "python3", WITHOUT_ENSUREPIP)
    _program(programs, "id", "echo 1000")
    _program(programs, "apt-get", "exit 9")
    result = _run(checkout, f"need_venv '{programs}/python3'", programs)
    assert result.returncode == 1
    assert "sudo apt-get install python3" in result.stderr
    assert "-venv\n" in result.stderr


def test_root_installs_what_brings_ensurepip(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    installed = tmp_path / "installed"
    _program(programs, "python3", f'[ -e {installed} ] && exec {sys.executable} "$@"\n{WITHOUT_ENSUREPIP}')
    _program(programs, "id", "echo 0")
    _program(programs, "apt-get", f'case "$*" in *install*venv*) touch {installed} ;; esac')
    result = _run(checkout, f"need_venv '{programs}/python3'", programs)
    assert result.returncode == 0, result.stderr
    assert installed.exists()


def test_without_a_python_that_will_do_the_message_says_which_would(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        _program(programs, name, "exit 1")
    result = _run(checkout, "find_python", programs)
    assert result.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr
