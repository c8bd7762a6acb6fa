"""Other people's programs as judges of what Kinote writes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def peer(name: str) -> str:
    """The path of a program; a missing one is a failure under CI, and skips aloud elsewhere."""
    path = shutil.which(name)
    if path:
        return path
    message = f"{name} is not installed (scripts/test says what is needed)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def need_orthanc() -> None:
    """Orthanc listens on all addresses, so it also needs a network namespace of its own: root's to make.

    Without it a test fails under CI, and is skipped aloud elsewhere.
    """
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", "Orthanc needs a network namespace, which only root can make"
        pytest.skip("Orthanc needs a network namespace of its own, which only root can make")
    for name in ("Orthanc", "unshare", "ip"):
        peer(name)


def run(name: str, *arguments: Path | str) -> tuple[int, str]:
    """Exit code, and what the program printed to either stream."""
    done = subprocess.run(
        [peer(name), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def dciodvfy_errors(path: Path) -> list[str]:
    """The Error lines of dciodvfy; its exit code tells nothing."""
    code, output = run("dciodvfy", "-new", path)
    if code not in (0, 1):
        return [f"Error - dciodvfy crashed: {code}"]
    return [line for line in output.splitlines() if line.startswith("Error") and not _counts_bytes(line)]


_TOO_LONG = re.compile(
    r".* = <(?P<value>.*)> - Length invalid for this VR = <\d+> - expected <= (?P<most>\d+)"
)


def _counts_bytes(line: str) -> bool:
    """Whether it calls a value too long that is not: lengths are in characters, not in bytes (PS3.5 6.2)."""
    found = _TOO_LONG.fullmatch(line)
    return found is not None and len(found["value"]) <= int(found["most"])
