"""scripts/environment.sh: the environments that scripts/run and scripts/test make for themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.project.sources import ROOT

EMPTY = "# Nothing is needed.\n"
UNKNOWN_DIGEST = "pip==1.0 --hash=sha256:" + "0" * 64 + "\n"


def _checkout(beside: Path) -> Path:
    """A folder with nothing but the script, and a space in its name."""
    folder = beside / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment.sh", folder / "scripts")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return _checkout(tmp_path)


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


@dataclass(frozen=True, slots=True)
class Made:
    """A checkout with an environment in which nothing is installed, and what was said while it was made."""

    checkout: Path
    said: str

    def copying(self, programs: Path) -> Path:
        """Put a Python into a folder that copies this environment instead of making one, which takes it seconds."""
        environment = self.checkout / ".venv"
        _program(
            programs,
            "python3",
            f"""case "$*" in
*_base_executable*) echo "$0" ;;
"-m venv "*)
    cp -a '{environment}/.' "$3"
    grep -rlIF --null '{environment}' "$3/bin" "$3/pyvenv.cfg" | xargs -0 sed -i "s|{environment}|$3|g" ;;
*) exec {sys.executable} "$@" ;;
esac""",
        )
        return programs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    checkout = _checkout(tmp_path_factory.mktemp("made"))
    (checkout / "some.txt").write_text(EMPTY)
    done = _run(checkout, "make_environment .venv some.txt")
    assert done.returncode == 0, done.stderr
    return Made(checkout, done.stderr)


def test_an_environment_works_where_it_ends_up_and_is_not_made_twice(made: Made) -> None:
    works = _run(made.checkout, ".venv/bin/pip --version")
    assert works.returncode == 0, works.stderr
    assert str(made.checkout / ".venv") in works.stdout
    assert "Making the environment" in made.said
    activating = (made.checkout / ".venv" / "bin" / "activate").read_text()
    assert "making" not in "".join(activating.split("making sure"))
    second = _run(made.checkout, "make_environment .venv some.txt")
    assert (second.returncode, second.stderr) == (0, "")


def test_a_failure_leaves_nothing_half_made(made: Made, checkout: Path, tmp_path: Path) -> None:
    (checkout / "some.txt").write_text(UNKNOWN_DIGEST)
    result = _run(checkout, "make_environment .venv some.txt", made.copying(tmp_path / "programs"))
    assert result.returncode != 0
    assert "No matching distribution found for pip==1.0" in result.stderr
    assert "pip could not install some.txt" in result.stderr
    assert sorted(path.name for path in checkout.iterdir()) == ["scripts", "some.txt"]


def test_a_failure_leaves_the_environment_that_was_there(made: Made, checkout: Path, tmp_path: Path) -> None:
    programs = made.copying(tmp_path / "programs")
    (checkout / "some.txt").write_text(EMPTY)
    assert _run(checkout, "make_environment .venv some.txt", programs).returncode == 0
    (checkout / "some.txt").write_text(UNKNOWN_DIGEST)
    assert _run(checkout, "make_environment .venv some.txt", programs).returncode != 0
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
