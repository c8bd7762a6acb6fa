"""Measure intake by STOW-RS beside Orthanc: the same client, the same bytes, the same disk.

    python -m benchmarks.stow

Runs in a network namespace of its own, since Orthanc listens on all addresses. In each round all receivers
begin empty, in new folders; case by case they get the same objects one after the other. Kinote is as it ships: an
object is synced and committed before it is acknowledged. Nothing is deleted before the end, memory is warmed
before the first round, and each measurement waits for a quiet machine. Prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.machine import add_folder, describe, program_version, temporary_folder
from benchmarks.network import enter_own_network
from benchmarks.objects import image, key_object
from benchmarks.page_cache import forget, warm
from benchmarks.processes import processor_seconds
from benchmarks.quiet import Quiet, add_busy
from benchmarks.sending import store, store_body
from benchmarks.table import Table, ratio
from tests.interop.orthanc import orthanc
from tests.running_server import RunningServer

#: Orthanc as its makers advise for speed: no sync of its files, no digests, nothing counted. Defaults that
#: matter are named, so that the table stands for itself.
TUNED: dict[str, object] = {
    "SyncStorageArea": False,
    "StoreMD5ForAttachments": False,
    "StorageCompression": False,
    "KeepAlive": True,
    "TcpNoDelay": True,
    "HttpThreadsCount": 50,
    "MetricsEnabled": False,
    "SaveJobs": False,
}
RECEIVERS = ("Kinote", "Orthanc", "Orthanc tuned")


@dataclass(frozen=True, slots=True)
class Case:
    """So many objects of a kind, from so many senders, so many in each request."""

    kind: str
    make: Callable[[int], bytes]
    objects: int
    senders: int
    per_request: int

    def bodies(self, first: int) -> list[bytes]:
        """The requests; objects are numbered from `first`."""
        files = [self.make(number) for number in range(first, first + self.objects)]
        starts = range(0, self.objects, self.per_request)
        return [store_body(files[start : start + self.per_request]) for start in starts]


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of one case at one receiver: objects a second, and its processor's microseconds for each."""

    rate: float
    busy: float


def cases(images: int, key_objects: int, per_request: int) -> list[Case]:
    return [
        Case(kind, make, objects, senders, many)
        for kind, make, objects in (("CT 512 KB", image, images), ("KOS 2 KB", key_object, key_objects))
        for senders in (1, 4)
        for many in (1, per_request)
    ]


def measure(
    cases: Sequence[Case], rounds: int, folder: Path, quiet: Quiet
) -> dict[tuple[int, str], list[Measured]]:
    """Of each case and receiver, what each round gave."""
    warm(folder, len(RECEIVERS) * sum(each.objects * len(each.make(0)) for each in cases))
    found: dict[tuple[int, str], list[Measured]] = {}
    for number in range(rounds):
        own = folder / f"round {number}"
        with receivers(own) as running:
            first = 0
            for at, case in enumerate(cases):
                bodies = case.bodies(first)
                first += case.objects
                # Who comes first in one round comes last in the next.
                for name in RECEIVERS if number % 2 == 0 else reversed(RECEIVERS):
                    found.setdefault((at, name), []).append(_send(case, bodies, *running[name], quiet))
        forget(own)
    return found


def _send(case: Case, bodies: Sequence[bytes], studies_url: str, pid: int, quiet: Quiet) -> Measured:
    # What the one before has left to be written is not for this one to wait for.
    os.sync()
    quiet.wait()
    before = processor_seconds(pid)
    seconds = store(studies_url, bodies, case.senders)
    busy = processor_seconds(pid) - before
    return Measured(case.objects / seconds, busy / case.objects * 1e6)


@contextmanager
def receivers(folder: Path) -> Iterator[dict[str, tuple[str, int]]]:
    """All receivers, empty: by name, the address of their studies and the number of their process."""
    folder.mkdir()
    with ExitStack() as stack:
        kinote = RunningServer(folder / "kinote")
        stack.callback(kinote.stop)
        plain = stack.enter_context(orthanc(folder / "orthanc", port=8042))
        tuned = stack.enter_context(orthanc(folder / "tuned", TUNED, port=8043))
        yield {
            "Kinote": (f"{kinote.url}/dicomweb/studies", kinote.process.pid),
            "Orthanc": (plain.studies, plain.pid),
            "Orthanc tuned": (tuned.studies, tuned.pid),
        }


def show(cases: Sequence[Case], found: dict[tuple[int, str], list[Measured]]) -> None:
    table = Table(
        (
            "objects",
            "senders",
            "a request",
            *(f"{name}/s" for name in RECEIVERS),
            "to Orthanc",
            "to tuned",
            *(f"{name} us" for name in RECEIVERS),
        )
    )
    for at, case in enumerate(cases):
        rates = [median(one.rate for one in found[at, name]) for name in RECEIVERS]
        busy = [median(one.busy for one in found[at, name]) for name in RECEIVERS]
        ratios = [ratio(rates[0], other) for other in rates[1:]]
        table.add(f"{case.kind} x {case.objects}", case.senders, case.per_request, *rates, *ratios, *busy)
    table.show("Intake by STOW-RS: objects a second, and microseconds of processor for each object")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400, help="in each case [default: 400]")
    parser.add_argument("--key-objects", type=int, default=1000, help="in each case [default: 1000]")
    parser.add_argument("--per-request", type=int, default=50, help="objects of a long request [default: 50]")
    parser.add_argument("--rounds", type=int, default=3)
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    enter_own_network("benchmarks.stow", list(sys.argv[1:] if arguments is None else arguments))
    wanted = cases(options.images, options.key_objects, options.per_request)
    with temporary_folder(options.folder) as folder:
        describe(folder, "uvicorn", peers=(program_version("Orthanc") + " with its DICOMweb plugin, SQLite",))
        print(f"tuned     {json.dumps(TUNED)}")
        print(f"settings  {options.rounds} rounds, senders and receivers on the same cores")
        quiet = Quiet(options.busy)
        found = measure(wanted, options.rounds, folder, quiet)
        print(f"machine   {quiet.describe()}")
        show(wanted, found)


if __name__ == "__main__":
    main()
