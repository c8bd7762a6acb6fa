"""Requirements: everything by digest, nothing by address, and the tests run what the server runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.project.sources import ROOT

FILES = sorted((ROOT / "requirements").glob("*.txt"))

_PINNED = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(\S+)((?: ; [^\\]+)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
)
_COMMENT = re.compile(r"^ *#.*\n")


def _pins(file: Path) -> dict[tuple[str, str], str]:
    """The version of each package, by its name and the condition it is for; fails on anything else."""
    text = file.read_text()
    pins = {}
    while text:
        pinned = _PINNED.match(text)
        if pinned:
            name, version, condition, _ = pinned.groups()
            pins[name, condition.strip()] = version
        match = pinned or _COMMENT.match(text)
        assert match, f"{file.name}: neither a version with its digests nor a comment: {text[:200]}"
        text = text[match.end() :]
    return pins


def _normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[._-]+", "-", name[0]).lower()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_package_has_its_version_and_digests(file: Path) -> None:
    assert _pins(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_addresses_and_no_options(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert [line for line in lines if "://" in line or re.match(r"\s*-(?!-hash)", line)] == []


@pytest.mark.parametrize("name", ["build", "node", "test"])
def test_what_is_asked_for_is_pinned(name: str) -> None:
    lines = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
    wanted = {_normal(line) for line in lines if line and not line.startswith("#")}
    assert wanted - {package for package, _ in _pins(ROOT / "requirements" / f"{name}.txt")} == set()


def test_what_the_server_needs_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {_normal(line) for line in project["dependencies"] + project["optional-dependencies"]["server"]}
    assert wanted - {package for package, _ in _pins(ROOT / "requirements" / "run.txt")} == set()


def test_the_tests_run_the_servers_versions() -> None:
    run, test = (_pins(ROOT / "requirements" / f"{name}.txt") for name in ("run", "test"))
    names = {name for name, _ in run}
    of_the_tests = {(name, version) for (name, _), version in test.items() if name in names}
    assert of_the_tests == {(name, version) for (name, _), version in run.items()}
