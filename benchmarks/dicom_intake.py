"""Measure intake by C-STORE beside Orthanc, DCMTK and pynetdicom: the same sender, objects and disk.

    python -m benchmarks.dicom_intake
    python -m benchmarks.dicom_intake --sender storescu --receivers kinote orthanc

Runs in a network namespace of its own, since most receivers listen on all addresses. In each round all
receivers begin empty, in new folders; case by case they get the same objects one after the other. Kinote is as it
ships: an object is synced, indexed and registered before it is acknowledged. The sender is
`benchmarks.dicom_sender`, or DCMTK's storescu as it comes, which leaves Nagle's algorithm on. The floor is no
receiver: as many threads as there are associations write, digest, sync and commit the same objects, and do nothing
else (see `benchmarks.floor`).

Nothing is deleted before the end, since files are made slowly for minutes after many have been deleted. Memory that
the machine has not used yet is slow to write to: before the first round a file as large as a round is written and
read back. Each measurement waits until the machine does nothing else. Prints medians of the rounds, microseconds of
processor for each object (of all processes of a receiver), and how many objects a receiver refused at first in all
rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.dicom_peers import PLAIN, RECEIVERS, SETTINGS, TITLE, Running, dcmtk, running, versions
from benchmarks.dicom_sender import KINDS
from benchmarks.floor import DIGESTS, FLOORS, LABELS, allows_direct, measure_floor
from benchmarks.floor import SETTINGS as FLOOR_SETTINGS
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.network import enter_own_network
from benchmarks.page_cache import forget, warm
from benchmarks.processes import processor_seconds
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio

#: All that can be measured; the floors are no receivers, but stand in the same tables.
MEASURED = (*RECEIVERS, *FLOORS)
DEFAULT = [name for name in MEASURED if name not in ("sink", "pynetdicom-idle", "kinote-audited")]
_OURS = "kinote"


@dataclass(frozen=True, slots=True)
class Case:
    """So many objects of a kind over so many associations."""

    kind: str
    objects: int
    associations: int


@dataclass(frozen=True, slots=True)
class Sent:
    """So many objects in so many seconds; some of them were refused at first."""

    objects: int
    seconds: float
    refused: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a case at a receiver: objects a second, its processors' microseconds for each, refusals."""

    rate: float
    busy: float
    refused: int


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of a case at a receiver."""

    case: Case
    receiver: str
    rounds: list[Measured]

    @property
    def rate(self) -> float:
        return median(one.rate for one in self.rounds)

    @property
    def busy(self) -> float:
        return median(one.busy for one in self.rounds)

    @property
    def refused(self) -> int:
        return sum(one.refused for one in self.rounds)

    def as_json(self) -> dict[str, object]:
        rounds = [one.rate for one in self.rounds]
        return {
            **asdict(self.case),
            "receiver": self.receiver,
            "rate": self.rate,
            "rounds": rounds,
            "microseconds": self.busy,
            "refused": self.refused,
        }


#: Sends a case's objects, numbered from the first, to a receiver.
Send = Callable[[Case, int, Running], Sent]


def preloaded(seconds: int) -> Send:
    """The preloaded sender, which gives up after so many seconds."""

    def send(case: Case, first: int, receiver: Running) -> Sent:
        numbers = (first, case.objects, case.associations, seconds)
        command = [sys.executable, "-m", "benchmarks.dicom_sender", str(receiver.port), TITLE, case.kind]
        done = subprocess.run([*command, *map(str, numbers)], stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
        return Sent(found["sent"], found["seconds"], found["refused"])

    return send


def storescu(folder: Path) -> Send:
    """DCMTK's program as it comes, sending a folder; its start counts."""

    def send(case: Case, first: int, receiver: Running) -> Sent:
        files = folder / f"{first}"
        if not files.exists():
            files.mkdir()
            for number in range(first, first + case.objects):
                (files / f"{number}.dcm").write_bytes(KINDS[case.kind](number))
        command = [dcmtk("storescu"), "-R", "+sd", "+r", "-aec", TITLE, "127.0.0.1", str(receiver.port)]
        begun = time.perf_counter()
        subprocess.run([*command, str(files)], env=PLAIN, check=True)
        return Sent(case.objects, time.perf_counter() - begun, refused=0)

    return send


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how: cases at receivers, in so many rounds; the digest is the floor's."""

    cases: Sequence[Case]
    receivers: Sequence[str]
    rounds: int
    send: Send
    digest: str
    seconds: float

    def round_size(self) -> int:
        """Bytes that a round writes."""
        each = sum(case.objects * len(KINDS[case.kind](0)) for case in self.cases)
        return len(self.receivers) * each


def measure(plan: Plan, folder: Path, quiet: Quiet) -> list[Result]:
    """All cases at all receivers, in turn."""
    warm(folder, plan.round_size())
    found: dict[tuple[Case, str], list[Measured]] = {}
    for number in range(plan.rounds):
        own = folder / f"round-{number}"
        with running([name for name in plan.receivers if name in RECEIVERS], own) as started:
            first = 0
            for case in plan.cases:
                # Who comes first in one round comes last in the next.
                for name in plan.receivers if number % 2 == 0 else reversed(plan.receivers):
                    if name in FLOORS and case.kind not in FLOORS[name]:
                        continue
                    # What the one before has left to be written is not for this one to wait for.
                    os.sync()
                    quiet.wait()
                    one = (
                        _floor(case, first, name, plan, own / f"{name}-{first}")
                        if name in FLOORS
                        else _measured(case, first, started[name], plan.send)
                    )
                    found.setdefault((case, name), []).append(one)
                first += case.objects
        forget(own)
    return [Result(case, name, each) for (case, name), each in found.items()]


def _measured(case: Case, first: int, receiver: Running, send: Send) -> Measured:
    before = processor_seconds(receiver.pid)
    sent = send(case, first, receiver)
    busy = processor_seconds(receiver.pid) - before
    return Measured(sent.objects / sent.seconds, busy / sent.objects * 1e6, sent.refused)


def _floor(case: Case, first: int, name: str, plan: Plan, folder: Path) -> Measured:
    reached = measure_floor(
        folder,
        FLOORS[name][case.kind],
        plan.digest,
        kind=case.kind,
        first=first,
        objects=case.objects,
        threads=case.associations,
        seconds=plan.seconds,
    )
    return Measured(reached.objects / reached.seconds, reached.busy / reached.objects * 1e6, refused=0)


def show(plan: Plan, results: Sequence[Result]) -> None:
    for case in plan.cases:
        table = Table(("receiver", "a second", "least", "most", "Kinote to it", "us each", "refused"))
        found = {each.receiver: each for each in results if each.case == case}
        of_case = {name: found[name] for name in plan.receivers if name in found}
        for name, one in of_case.items():
            rates = [each.rate for each in one.rounds]
            share = ratio(of_case[_OURS].rate, one.rate) if _OURS in of_case else "-"
            table.add(LABELS.get(name, name), one.rate, min(rates), max(rates), share, one.busy, one.refused)
        table.show(f"{case.kind} x {case.objects}, {case.associations} association(s): objects a second")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    enter_own_network("benchmarks.dicom_intake", list(sys.argv[1:] if arguments is None else arguments))
    is_storescu = options.sender == "storescu"
    counts = {"CT 512 KB": options.images, "CT 20 KB": options.small_images, "KOS 2 KB": options.key_objects}
    cases = [
        Case(kind, objects, associations)
        for kind, objects in counts.items()
        for associations in ([1] if is_storescu else options.associations)
        if objects
    ]
    with temporary_folder(options.folder) as folder:
        receivers = [name for name in options.receivers if name != "floor-direct" or allows_direct(folder)]
        taken = describe(folder, "pydicom", peers=versions(receivers))
        settings = {**SETTINGS, **FLOOR_SETTINGS}
        for name, meaning in settings.items():
            print(f"{name:<17} {meaning}")
        print(f"settings  {options.rounds} rounds, senders and receivers on the same cores; ", end="")
        print(f"the floor's digest is {options.digest}", flush=True)
        send = storescu(_made(folder / "files")) if is_storescu else preloaded(options.seconds)
        plan = Plan(cases, receivers, options.rounds, send, options.digest, options.seconds)
        quiet = Quiet(options.busy)
        results = measure(plan, folder, quiet)
        print(f"machine   {quiet.describe()}")
        show(plan, results)
    if options.json:
        written = {
            "program": "dicom_intake",
            "taken_with": {**taken, "quiet": quiet.describe()},
            "sender": options.sender,
            "digest": options.digest,
            "settings": settings,
            "results": [each.as_json() for each in results],
        }
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--receivers", nargs="+", choices=MEASURED, default=DEFAULT, metavar="NAME")
    parser.add_argument("--sender", choices=("preloaded", "storescu"), default="preloaded")
    parser.add_argument("--images", type=int, default=400, help="of 512 KB, in each case [default: 400]")
    parser.add_argument("--small-images", type=int, default=1000, help="of 20 KB [default: 1000]")
    parser.add_argument("--key-objects", type=int, default=1000, help="of 2 KB [default: 1000]")
    parser.add_argument("--associations", nargs="+", type=int, default=[1, 4], help="[default: 1 4]")
    parser.add_argument(
        "--seconds", type=int, default=10, help="after which the rest is not sent [default: 10]"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--digest", choices=DIGESTS, default="sha256", help="of the floor [default: sha256]")
    add_folder(parser)
    add_busy(parser)
    return parser


if __name__ == "__main__":
    main()
