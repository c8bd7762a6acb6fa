"""What a program with its child processes uses of the machine, from /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: Where things stand in /proc/PID/stat behind the name (proc(5)).
_PARENT, _OWN_AND_CHILDREN, _RESIDENT = 1, slice(11, 15), 21


def processor_seconds(pid: int) -> float:
    """What a program has used of the processors, with all processes below it that run or have ended."""
    return sum(sum(map(int, stat[_OWN_AND_CHILDREN])) for stat in _tree(pid)) / _TICKS


def resident_bytes(pid: int) -> int:
    """Memory of a program and its children; what they share counts for each."""
    return sum(int(stat[_RESIDENT]) for stat in _tree(pid)) * _PAGE


def count(pid: int) -> int:
    """How many processes a program has."""
    return len(list(_tree(pid)))


def _tree(pid: int) -> Iterator[list[str]]:
    """The state of a process and of all below it."""
    stats = dict(_all())
    wanted = [pid]
    while wanted:
        own = wanted.pop()
        yield stats[own]
        wanted += [each for each, stat in stats.items() if int(stat[_PARENT]) == own]


def _all() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        # It may just have ended.
        with contextlib.suppress(OSError):
            yield int(folder.name), (folder / "stat").read_text().rpartition(")")[2].split()
