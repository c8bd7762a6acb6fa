"""What may and may not stand in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.project.sources import ROOT, text_of, tracked_files

# Put together here, so that this file does not contain what it looks for.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
)
SHARED_FOLDER = "/".join(("..", "shared"))
WORKPLACE = "/".join(("", "work", ""))


def _containing(words: tuple[str, ...]) -> list[str]:
    found = []
    for path in tracked_files():
        text = text_of(path)
        found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in text]
    return found


def test_no_file_names_a_registry() -> None:
    assert _containing(REGISTRIES) == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    assert [found for found in _containing((WORKPLACE,)) if "viewer/package-lock.json" not in found] == []


def test_only_the_ci_script_names_the_shared_folder() -> None:
    assert _containing((SHARED_FOLDER,)) == [f".ci/run: {SHARED_FOLDER}"]


def test_the_viewers_lock_file_has_digests_and_no_addresses() -> None:
    text = (ROOT / "viewer" / "package-lock.json").read_text()
    assert '"integrity": "sha' in text
    assert '"resolved"' not in text


def test_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()


def _scripts() -> list[Path]:
    return [path for path in tracked_files() if text_of(path).startswith("#!/usr/bin/env bash")]


def test_there_are_the_scripts_that_the_readme_names() -> None:
    assert {"run", "test", "soak", "requirements"} <= {path.name for path in _scripts()}


@pytest.mark.parametrize("script", _scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_script_can_be_run_and_stops_at_the_first_failure(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111
    assert "\nset -euo pipefail\n" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


def _pages() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".md"]


@pytest.mark.parametrize("page", _pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_soak_runs_the_long_form_of_every_test_that_has_one() -> None:
    variable, mark = "KINOTE_" + "SOAK", "mark." + "soak"
    files = [path for path in tracked_files() if path.name.startswith("test_") and path.suffix == ".py"]
    long = [path for path in files if variable in text_of(path) or "import SCALE" in text_of(path)]
    assert len(long) > 10
    assert [path.name for path in long if mark not in text_of(path) and path != Path(__file__)] == []
