"""Measure what idle associations cost: processor and memory of Kinote and its peers.

    python -m benchmarks.dicom_idle

Runs in a network namespace of its own, since most receivers listen on all addresses. One receiver at a time:
first without associations, then with so many that say nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import processes
from benchmarks.dicom_peers import RECEIVERS, SETTINGS, TITLE, Running, running, versions
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.network import enter_own_network
from benchmarks.subjects import CT
from benchmarks.table import Table
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity

DEFAULT = ("kinote", "storescp", "orthanc", "pynetdicom-idle")
_PROPOSAL = Proposal([(CT, ("1.2.840.10008.1.2.1",))])

#: Seconds for a receiver to come to rest after its start and after the associations have been opened.
_REST = 2


@dataclass(frozen=True, slots=True)
class Idle:
    """What a receiver costs that is asked for nothing: percent of one core, megabytes, processes."""

    receiver: str
    associations: int
    percent: float
    megabytes: float
    processes: int


def measure(name: str, associations: int, seconds: float, folder: Path) -> list[Idle]:
    """A receiver without associations and with so many."""
    with running([name], folder / name) as started, ExitStack() as stack:
        receiver = started[name]
        found = [_cost(name, 0, receiver, seconds)]
        peer = ApplicationEntity(TITLE, "127.0.0.1", receiver.port)
        for _ in range(associations):
            stack.enter_context(association(peer, "IDLE", _PROPOSAL))
        found.append(_cost(name, associations, receiver, seconds))
        return found


def _cost(name: str, associations: int, receiver: Running, seconds: float) -> Idle:
    time.sleep(min(_REST, seconds))
    before, begun = processes.processor_seconds(receiver.pid), time.perf_counter()
    time.sleep(seconds)
    used = processes.processor_seconds(receiver.pid) - before
    percent = used / (time.perf_counter() - begun) * 100
    memory = processes.resident_bytes(receiver.pid) / 1e6
    return Idle(name, associations, percent, memory, processes.count(receiver.pid))


def show(found: Sequence[Idle]) -> None:
    table = Table(("receiver", "associations", "% of a core", "MB", "processes"))
    for one in found:
        table.add(one.receiver, one.associations, one.percent, one.megabytes, one.processes)
    table.show("Idle associations: processor and resident memory (what processes share counts for each)")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--receivers", nargs="+", choices=RECEIVERS, default=DEFAULT, metavar="NAME")
    parser.add_argument("--associations", type=int, default=40, help="[default: 40]")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement [default: 20]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    add_folder(parser)
    options = parser.parse_args(arguments)
    enter_own_network("benchmarks.dicom_idle", list(sys.argv[1:] if arguments is None else arguments))
    with temporary_folder(options.folder) as folder:
        taken = describe(folder, peers=versions(options.receivers))
        print(f"settings  {options.seconds:g} seconds each, one receiver at a time", flush=True)
        found = []
        for name in options.receivers:
            found += measure(name, options.associations, options.seconds, folder)
        show(found)
    if options.json:
        written = {
            "program": "dicom_idle",
            "taken_with": taken,
            "settings": SETTINGS,
            "results": [asdict(one) for one in found],
        }
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
