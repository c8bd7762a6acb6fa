"""Measure intake by C-STORE beside Orthanc, DCMTK and pynetdicom: the same sender, objects and disk.

    python -m benchmarks.dicom_intake
    python -m benchmarks.dicom_intake --sender storescu --receivers kinote orthanc

Runs in a network namespace of its own, since most receivers listen on all addresses. In each round all
receivers begin empty; case by case they get the same objects one after the other. Kinote is as it ships: an
object is synced, indexed and registered before it is acknowledged. The sender is `benchmarks.dicom_sender`, or
DCMTK's storescu as it comes, which leaves Nagle's algorithm on. Prints medians of the rounds, and how many objects
a receiver refused at first in all of them.
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
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.network import enter_own_network
from benchmarks.processes import processor_seconds
from benchmarks.table import Table, ratio

DEFAULT = [name for name in RECEIVERS if name not in ("sink", "pynetdicom-idle")]
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


def measure(
    cases: Sequence[Case], receivers: Sequence[str], rounds: int, send: Send, folder: Path
) -> list[Result]:
    """All cases at all receivers, in turn."""
    found: dict[tuple[Case, str], list[Measured]] = {}
    for number in range(rounds):
        with running(receivers, folder / f"round-{number}") as started:
            first = 0
            for case in cases:
                # Who comes first in one round comes last in the next.
                for name in receivers if number % 2 == 0 else reversed(receivers):
                    found.setdefault((case, name), []).append(_measured(case, first, started[name], send))
                first += case.objects
    return [Result(case, name, each) for (case, name), each in found.items()]


def _measured(case: Case, first: int, receiver: Running, send: Send) -> Measured:
    # What the one before has left to be written is not for this one to wait for.
    os.sync()
    before = processor_seconds(receiver.pid)
    sent = send(case, first, receiver)
    busy = processor_seconds(receiver.pid) - before
    return Measured(sent.objects / sent.seconds, busy / sent.objects * 1e6, sent.refused)


def show(cases: Sequence[Case], receivers: Sequence[str], results: Sequence[Result]) -> None:
    for case in cases:
        table = Table(("receiver", "a second", "least", "most", "Kinote to it", "us each", "refused"))
        of_case = {each.receiver: each for each in results if each.case == case}
        for name in receivers:
            one = of_case[name]
            rates = [each.rate for each in one.rounds]
            share = ratio(of_case[_OURS].rate, one.rate) if _OURS in of_case else "-"
            table.add(name, one.rate, min(rates), max(rates), share, one.busy, one.refused)
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
        taken = describe(folder, "pydicom", peers=versions(options.receivers))
        for name, meaning in SETTINGS.items():
            print(f"{name:<17} {meaning}")
        print(f"settings  {options.rounds} rounds, senders and receivers on the same cores", flush=True)
        send = storescu(_made(folder / "files")) if is_storescu else preloaded(options.seconds)
        results = measure(cases, options.receivers, options.rounds, send, folder)
        show(cases, options.receivers, results)
    if options.json:
        written = {
            "program": "dicom_intake",
            "taken_with": taken,
            "sender": options.sender,
            "settings": SETTINGS,
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
    parser.add_argument("--receivers", nargs="+", choices=RECEIVERS, default=DEFAULT, metavar="NAME")
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
    add_folder(parser)
    return parser


if __name__ == "__main__":
    main()
