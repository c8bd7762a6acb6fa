"""Every benchmark runs to its end, on next to nothing, and prints its table."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest

from tests.command_line import kinote
from tests.interop.orthanc import PLUGIN
from tests.interop.peers import need_orthanc

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    path.stem
    for path in (ROOT / "benchmarks").glob("*.py")
    if "\ndef main(" in path.read_text(encoding="utf-8")
}

#: What next to nothing is; `filled` stands for the data directory that is filled for all of them.
SMALL = {
    "query": ("filled", "--times", "2"),
    "notes": ("--one-by-one", "2", "--in-groups", "4", "--rounds", "1"),
    "intake": (
        "--images",
        "2",
        "--key-objects",
        "2",
        "--senders",
        "2",
        "--rounds",
        "1",
        "--studies",
        "2",
    ),
    "reading_notes": ("--data", "filled", "--reads", "2", "--writes", "20", "--group", "2"),
    "key_objects": ("--references", "2", "20", "--seconds", "0", "--bomb", "80"),
    "qido": ("--data", "filled", "--times", "1", "--orthanc-seconds", "0.1", "--orthanc-studies", "4"),
    "stow": ("--images", "2", "--key-objects", "2", "--per-request", "2", "--rounds", "1"),
    "dicom_intake": (
        *("--images", "0", "--small-images", "2", "--key-objects", "0"),
        *("--rounds", "1", "--associations", "2"),
        *("--receivers", "kinote", "orthanc-tuned", "storescp-tuned", "dcmqrscp-tuned", "pynetdicom", "sink"),
        *("floor", "floor-pack"),
    ),
    "filing": (
        *("--studies", "2", "--images", "2", "--notes", "2"),
        *("--objects", "2", "--senders", "2", "--rounds", "1"),
    ),
    "retrieval": (
        *("--images", "2", "--key-objects", "2", "--clients", "1", "--rounds", "1", "--times", "1"),
    ),
    "dicom_sending": ("--images", "4", "--key-objects", "4", "--rounds", "1"),
    "withdrawing": ("--studies", "2", "--images", "2", "--rounds", "1"),
    "jobs": ("--jobs", "4", "--rounds", "1"),
    "upkeep": ("--objects", "6", "--studies", "2", "--images", "4", "--seconds", "0.2"),
    "notes_import": ("--notes", "4", "--studies", "2"),
    "dicom_idle": ("--associations", "2", "--seconds", "0.1"),
    "media": ("--objects", "4"),
    "decoding": ("--rounds", "1"),
}
#: Those that wait for a quiet machine; tests run on busy ones.
QUIET = {
    "intake",
    "stow",
    "dicom_intake",
    "dicom_sending",
    "filing",
    "retrieval",
    "withdrawing",
    "jobs",
    "upkeep",
    "notes_import",
}
#: Those that send to receiver processes.
RECEIVING = {"dicom_intake", "dicom_idle"}
BESIDE_ORTHANC = {"qido", "stow", "dicom_intake", "dicom_sending", "dicom_idle"}

#: How many rows of figures there are.
ROWS = {
    "query": 20,
    "notes": 6,
    "intake": 3,
    "reading_notes": 4,
    "key_objects": 10,
    "qido": 5,
    "stow": 8,
    "dicom_intake": 8,
    "filing": 6,
    "retrieval": 8,
    "dicom_sending": 8,
    "withdrawing": 6,
    "jobs": 5,
    "upkeep": 3,
    "notes_import": 2,
    "dicom_idle": 8,
    "media": 2,
    "decoding": 8,
}


def _run(program: str, *arguments: str, expected: int = 0) -> str:
    done = kinote(
        *arguments,
        cwd=ROOT,
        module=f"benchmarks.{program}",
        PYTHONPATH=f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        # Each takes a second to begin: one where they are measured, elsewhere none.
        KINOTE_INTAKE_PROCESSES="1" if program in RECEIVING else "0",
    )
    assert done.returncode == expected, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("benchmarks") / "filled"
    printed = _run("fill", str(data), "--studies", "4", "--images", "4", "--notes", "6")
    assert "22 instances, 6 notes" in printed
    return data


@pytest.mark.parametrize("program", SMALL)
def test_benchmark_runs(program: str, filled: Path, tmp_path: Path) -> None:
    if program in BESIDE_ORTHANC:
        need_orthanc()
        assert PLUGIN.exists()
    arguments = [str(filled) if word == "filled" else word for word in SMALL[program]]
    if program not in ("query", "decoding"):
        arguments += ["--folder", str(tmp_path)]
    if program in QUIET:
        arguments.append("--busy")
    printed = _run(program, *arguments)
    figures = [line for line in printed.splitlines() if re.search(r"  [\d.]+  ", line)]
    assert len(figures) == ROWS[program], printed
    assert list(tmp_path.iterdir()) == []
    if program == "dicom_intake":
        refused = [line.split()[-1] for line in figures if line.startswith("kinote")]
        assert refused == ["0"]


def test_every_benchmark_is_run_here_and_explained() -> None:
    assert {"fill", "picture", *SMALL} == PROGRAMS
    explained = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `benchmarks\.(\w+)` \|", explained, flags=re.MULTILINE)) == PROGRAMS


def test_the_commands_that_are_explained_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    explained = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for program, typed in re.findall(r"python -m benchmarks\.(\w+)(.*)", explained):
        with pytest.raises(SystemExit):
            importlib.import_module(f"benchmarks.{program}").main(["--help"])
        known = capsys.readouterr().out
        assert [option for option in re.findall(r"--[\w-]+", typed) if f"{option} " not in known] == []
