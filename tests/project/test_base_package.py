"""What works with the base package alone, without the packages of the server."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import kinote
from kinote.keyobject.writer import encode_file
from tests.keyobject.documents import document
from tests.project.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Refuses whatever the base package does not bring along, and runs the command line.
_ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
sys.argv[0] = "kinote"
from kinote.command.main import main
main()
"""


def _brought_along(requirements: list[str]) -> set[str]:
    """The distributions that requirements bring, with all that these require without extras."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        matched = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert matched
        name = re.sub(r"[._-]+", "-", matched[0]).lower()
        if "extra ==" in requirement or name in found:
            continue
        try:
            waiting += importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # For other systems or other versions of Python.
        found.add(name)
    return found


def _refused() -> set[str]:
    base = _brought_along(PROJECT["dependencies"])
    return {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if not base & {re.sub(r"[._-]+", "-", each).lower() for each in distributions} and module != "kinote"
    }


def alone(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"REFUSED = {_refused()!r}\n{_ALONE}", *arguments],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"},
    )


def test_the_packages_of_the_server_are_refused() -> None:
    assert {"sqlalchemy", "fastapi", "httpx", "pydantic_settings", "structlog", "PIL"} <= _refused()
    assert not {"pydicom", "numpy", "typer", "rich"} & _refused()


def test_key_objects_are_checked(tmp_path: Path) -> None:
    (tmp_path / "good.dcm").write_bytes(encode_file(document()))
    (tmp_path / "bad.dcm").write_bytes(b"no DICOM")
    good = alone("check", "good.dcm", cwd=tmp_path)
    assert (good.returncode, good.stdout, good.stderr) == (0, "good.dcm: registered\n", "")
    bad = alone("check", ".", "bad.dcm", "--json", cwd=tmp_path)
    assert bad.returncode == 1, bad.stderr
    assert '"unreadable"' in bad.stdout


def test_the_version_is_said(tmp_path: Path) -> None:
    done = alone("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"kinote {PROJECT['version']}\n", "")
    assert kinote.__version__ == PROJECT["version"]


def test_help_is_given_for_every_command(tmp_path: Path) -> None:
    done = alone("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"serve", "import", "check", "doctor", "send"} <= set(done.stdout.split())
    assert "--study" in alone("send", "--help", cwd=tmp_path).stdout


def test_another_command_says_what_to_install(tmp_path: Path) -> None:
    done = alone("account", "1.2.3", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("kinote: This command needs the packages of the server, of which ")
    assert "pip install 'kinote[server]'" in done.stderr
