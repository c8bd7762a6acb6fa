"""Who may know whom, beyond what import-linter's layers say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.sources import PACKAGE, ROOT, imports_of

#: The rooms that bring objects in and back, and manage their life and death; all others read the live view (law 1).
MAY_TOUCH_INSTANCES = {"backup", "catalog", "intake", "notes", "holdings", "lifecycle", "retention"}

ROOMS = sorted(path.parent for path in PACKAGE.glob("**/__init__.py") if path.parent != PACKAGE)

#: What a room's docstring says at least: what it is for, and what it may touch.
WORDS = 10


def _files_outside(rooms: set[str]) -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in rooms]


def test_layers_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, env={"PYTHONPATH": "src", "PATH": ""}
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_law_1_only_the_rooms_of_life_and_death_know_the_instance_tables() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in _files_outside(MAY_TOUCH_INSTANCES)
        for module, name in imports_of(path)
        if module.startswith("kinote.catalog.schema.tables") and name in {"instance", "held_instance"}
    ]
    assert found == []


def test_the_faces_have_no_sql() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for face in ("web", "scp")
        for path in (PACKAGE / face).rglob("*.py")
        for module, name in imports_of(path)
        if module.split(".")[0] == "sqlalchemy" and (module, name) != ("sqlalchemy", "Connection")
    ]
    assert found == []


def test_beside_the_rooms_there_are_two_files() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_no_module_has_the_name_of_its_room() -> None:
    assert [str(path) for path in PACKAGE.rglob("*.py") if path.stem == path.parent.name] == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(PACKAGE)))
def test_a_room_says_what_it_is_for(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len(said.split()) >= WORDS
