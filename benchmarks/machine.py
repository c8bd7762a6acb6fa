"""The machine and the programs a measurement was taken with: figures without them say nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.table import percentile

_SYNCS = 50


def add_folder(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, help="a folder of the disk to measure on [default: that of temporary files]"
    )


@contextmanager
def temporary_folder(parent: Path | None) -> Iterator[Path]:
    """A folder for all that a measurement writes, removed at its end.

    Nothing in it is removed before: on ext4 new files are made 10 to 40 times slower for minutes after many have
    been deleted.
    """
    with tempfile.TemporaryDirectory(prefix="kinote-benchmark-", dir=parent) as folder:
        yield Path(folder)


def describe(folder: Path, *packages: str, peers: tuple[str, ...] = ()) -> dict[str, str]:
    """Print what the figures below were taken with, and how long the disk of `folder` takes to sync; gives it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    own = ["kinote " + _version("kinote"), f"Python {platform.python_version()}"]
    own.append(f"SQLite {sqlite3.sqlite_version}")
    sync = f"fdatasync of 4 KB: {_sync_milliseconds(folder):.2f} ms (median)"
    taken_with = {
        "machine": f"{os.cpu_count()} cores, {_processor()}, {memory:.0f} GB; {platform.platform()}",
        "disk": f"{_file_system(folder)}; {sync}",
        "versions": ", ".join([*own, *(f"{name} {_version(name)}" for name in packages), *peers]),
        "load": f"{' '.join(f'{load:.2f}' for load in os.getloadavg())} before",
    }
    for name, value in taken_with.items():
        print(f"{name:<9} {value}", flush=True)
    return taken_with


def program_version(name: str) -> str:
    """The first line of what a program says to --version."""
    done = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(from its sources)" if package == "kinote" else "(not installed)"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system a folder lies on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = {str(path) for path in (folder.resolve(), *folder.resolve().parents)}
    point, kind = max((mount for mount in mounts if mount[0] in above), key=lambda mount: len(mount[0]))
    return f"{kind} at {point}"


def _sync_milliseconds(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1000)
    return percentile(taken, 0.5)
