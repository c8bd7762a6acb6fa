"""Other people's programs as judges of what Kinote writes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.running_server import START_LIMIT

#: pynetdicom puts programs of its own under DCMTK's names into the environment: the system's are meant.
_OF_DCMTK = frozenset({"echoscu", "findscu", "getscu", "movescu", "storescp", "storescu"})


def peer(name: str) -> str:
    """The path of a program; a missing one is a failure under CI, and skips aloud elsewhere."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if name in _OF_DCMTK:
        folders = [folder for folder in folders if Path(folder) != Path(sys.executable).parent]
    path = shutil.which(name, path=os.pathsep.join(folders))
    if path:
        return path
    message = f"{name} is not installed (scripts/test says what is needed)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def need_own_network() -> None:
    """Programs that listen on all addresses need a network namespace of their own: root's to make.

    Without it a test fails under CI, and is skipped aloud elsewhere.
    """
    message = "The peers need a network namespace of their own, which only root can make"
    if os.geteuid() != 0:
        assert os.environ.get("CI") != "true", message
        pytest.skip(message)
    peer("ip")


def need_orthanc() -> None:
    """Orthanc listens on all addresses."""
    need_own_network()
    for name in ("Orthanc", "unshare"):
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


@contextmanager
def running(port: int, log: Path, name: str, *arguments: Path | str) -> Iterator[None]:
    """A program that listens on that port, from when it does so until the block ends."""
    with log.open("ab") as said:
        process = subprocess.Popen([peer(name), *map(str, arguments)], stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + START_LIMIT
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


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
