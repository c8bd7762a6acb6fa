"""Measure retrieval by WADO-RS, C-GET and C-MOVE, of one Kinote or of several versions beside each other.

    python -m benchmarks.retrieval
    python -m benchmarks.retrieval --checkouts . ../before

A checkout is a folder with Kinote's sources in `src`: `kinote serve` runs from there, and only its command line, HTTP
and DICOM are used, so that any version can be measured. The clients are those of this checkout; they share the cores
with the servers. Objects come by C-STORE before, and have been retrieved once before anything counts. C-MOVE sends
them to a receiver that stores nothing. Nothing is deleted before the end, and each measurement waits for a quiet
machine. Prints medians of the rounds: objects a second, and microseconds of the server's processor for each.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import REFERENCES
from benchmarks.page_cache import warm
from benchmarks.processes import processor_seconds
from benchmarks.quiet import Quiet, add_busy
from benchmarks.retrieval_clients import DESTINATION, WAYS, Server, Study, retrieve
from benchmarks.subjects import IMAGES
from benchmarks.table import Table, ratio
from benchmarks.uids import FIRST, ROOT, image_uid, series_uid, study_uid
from kinote.dimse.entity import ApplicationEntity

_TITLE = "RETRIEVED"

#: Seconds that a server may take to start, and to stop.
_STARTING, _STOPPING = 60, 30

#: Key objects are numbered from here, so that no study has both them and images; and so many share a study.
_KEY_OBJECTS, _OF_STUDY = 10**6, IMAGES // REFERENCES

_HERE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Case:
    """Objects of a kind, retrieved in some way by so many clients at once, from one of the servers."""

    kind: str
    way: str
    clients: int
    checkout: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Objects a second, and microseconds of the server's processor for each."""

    rate: float
    busy: float


def images(count: int) -> list[Study]:
    """The studies of that many images as `benchmarks.objects` makes them."""
    return [
        Study(
            study_uid(FIRST + number),
            [
                (series_uid(FIRST + number, 0), image_uid(FIRST + number, FIRST + at))
                for at in range(min(IMAGES, count - number * IMAGES))
            ],
        )
        for number in range(-(-count // IMAGES))
    ]


def key_objects(count: int) -> list[Study]:
    """The studies of that many key objects."""
    numbers = range(_KEY_OBJECTS, _KEY_OBJECTS + count)
    return [
        Study(
            study_uid(FIRST + numbers[at] // _OF_STUDY),
            [(f"{ROOT}.5.{number}", f"{ROOT}.6.{number}") for number in numbers[at : at + _OF_STUDY]],
        )
        for at in range(0, count, _OF_STUDY)
    ]


@contextmanager
def serving(checkout: Path, folder: Path, sink: int, *, audited: bool = False) -> Iterator[Server]:
    """`kinote serve` of a checkout, empty, with an audit trail or without."""
    folder.mkdir()
    http, dicom = free_port(), free_port()
    command = [sys.executable, "-m", "kinote", "serve", "--data", str(folder / "data"), "--ae-title", _TITLE]
    known = [{"title": DESTINATION, "host": "127.0.0.1", "port": sink}]
    environment = {"PYTHONPATH": str(checkout.resolve() / "src"), "KINOTE_ENTITIES": json.dumps(known)}
    if audited:
        environment["KINOTE_AUDIT"] = "true"
    command += ["--http-port", str(http), "--dicom-port", str(dicom)]
    with _program(command, folder, environment, (http, dicom)) as pid:
        yield Server(f"http://127.0.0.1:{http}", ApplicationEntity(_TITLE, "127.0.0.1", dicom), pid)


@contextmanager
def _program(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], ports: Sequence[int]
) -> Iterator[int]:
    """A program from when it listens on all ports until the block ends; gives its process."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **environment}, cwd=folder
        )
        try:
            deadline = time.monotonic() + _STARTING
            while not all(map(_listens, ports)):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[2]} did not start:\n{(folder / 'log').read_text()[-4000:]}")
                time.sleep(0.1)
            yield process.pid
        finally:
            process.terminate()
            process.wait(_STOPPING)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _store(server: Server, kind: str, first: int, objects: int) -> None:
    port = str(server.entity.port)
    command = [sys.executable, "-m", "benchmarks.dicom_sender", port, _TITLE, kind]
    done = subprocess.run(
        [*command, str(first), str(objects), "4", "3600"], stdout=subprocess.PIPE, check=True, cwd=_HERE
    )
    if json.loads(done.stdout)["sent"] != objects:
        raise RuntimeError(f"{kind}: not everything was stored: {done.stdout!r}")


def measure(
    held: Mapping[str, Sequence[Study]],
    servers: Mapping[str, Server],
    clients: Sequence[int],
    rounds: int,
    quiet: Quiet,
    *,
    times: int,
) -> dict[Case, list[Measured]]:
    """What each round gave; a first round only warms up."""
    found: dict[Case, list[Measured]] = {}
    for number in range(rounds + 1):
        for kind, studies in held.items():
            for way in WAYS:
                for many in clients if number else [max(clients)]:
                    # Who comes first in one round comes last in the next.
                    for name in servers if number % 2 else reversed(list(servers)):
                        if number:
                            quiet.wait()
                        one = _measured(servers[name], way, [*studies] * (times if number else 1), many)
                        if number:
                            found.setdefault(Case(kind, way, many, name), []).append(one)
    return found


def _measured(server: Server, way: str, studies: Sequence[Study], clients: int) -> Measured:
    objects = sum(len(study.instances) for study in studies)
    before, begun = processor_seconds(server.pid), time.perf_counter()
    retrieve(WAYS[way], server, studies, clients)
    taken = time.perf_counter() - begun
    busy = processor_seconds(server.pid) - before
    return Measured(objects / taken, busy / objects * 1e6)


def show(found: Mapping[Case, Sequence[Measured]], first: str) -> None:
    table = Table(("objects", "retrieved by", "clients", "checkout", "a second", "to the first", "us each"))
    for case, rounds in found.items():
        rate = median(one.rate for one in rounds)
        of_first = median(one.rate for one in found[Case(case.kind, case.way, case.clients, first)])
        busy = median(one.busy for one in rounds)
        table.add(case.kind, case.way, case.clients, case.checkout, rate, ratio(rate, of_first), busy)
    table.show("Retrieval: objects a second, and microseconds of the server's processor for each")


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    held = {"CT 512 KB": images(options.images), "KOS 2 KB": key_objects(options.key_objects)}
    checkouts = {str(path): (path, False) for path in options.checkouts}
    if options.audited:
        checkouts |= {f"{path}, audited": (path, True) for path in options.checkouts}
    with temporary_folder(options.folder) as folder, ExitStack() as stack:
        taken = describe(folder, "uvicorn")
        print(f"settings  {options.rounds} rounds, clients and servers on the same cores", flush=True)
        warm(folder, len(checkouts) * options.images * 2**20)
        sink = free_port()
        command = [sys.executable, "-m", "benchmarks.dicom_sink", str(sink)]
        own = {"PYTHONPATH": os.pathsep.join((str(_HERE / "src"), str(_HERE)))}
        (folder / "sink").mkdir()
        stack.enter_context(_program(command, folder / "sink", own, (sink,)))
        servers = {
            name: stack.enter_context(serving(path, folder / f"server-{number}", sink, audited=audited))
            for number, (name, (path, audited)) in enumerate(checkouts.items())
        }
        for server in servers.values():
            _store(server, "CT 512 KB", 0, options.images)
            _store(server, "KOS 2 KB", _KEY_OBJECTS, options.key_objects)
        quiet = Quiet(options.busy)
        found = measure(held, servers, options.clients, options.rounds, quiet, times=options.times)
        print(f"machine   {quiet.describe()}")
        show(found, next(iter(checkouts)))
    if options.json:
        results = [
            {**asdict(case), "rounds": [asdict(one) for one in rounds]} for case, rounds in found.items()
        ]
        taken["quiet"] = quiet.describe()
        written = {"program": "retrieval", "taken_with": taken, "results": results}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--checkouts", nargs="+", type=Path, default=[_HERE], metavar="FOLDER", help="[default: this one]"
    )
    parser.add_argument(
        "--audited", action="store_true", help="measure each checkout with an audit trail, too"
    )
    parser.add_argument("--images", type=int, default=400, help="of 512 KB [default: 400]")
    parser.add_argument("--key-objects", type=int, default=1000, help="of 2 KB [default: 1000]")
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 4], help="[default: 1 4]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=3, help="each object in a round [default: 3]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    add_folder(parser)
    add_busy(parser)
    return parser


if __name__ == "__main__":
    main()
