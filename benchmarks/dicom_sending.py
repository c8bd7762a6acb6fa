"""Measure sending by C-STORE over four associations: Kinote, Orthanc's job, and DCMTK's storescu and dcmsend.

    python -m benchmarks.dicom_sending

Runs in a network namespace of its own. The receiver is storescp at its best (see `benchmarks.dicom_peers`), or a
sink that stores nothing, which shows what the senders can do at all. All senders have the same objects: Kinote
and Orthanc in their stores, DCMTK's programs in folders, a process each. DCMTK and Orthanc run with
TCP_NODELAY=1. Kinote looks each object up in the live view again when it sends it. The receiver begins anew in a
new folder for each of them; nothing is deleted before the end, memory is warmed before the first round, and each
measurement waits for a quiet machine. Prints medians of the rounds, and the senders' microseconds of processor
for each object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import httpx

from benchmarks.actors import ORIGIN, PROGRAM
from benchmarks.dicom_peers import NO_DELAY, ORTHANC_TUNED, SETTINGS, TITLE, dcmtk, running, versions
from benchmarks.dicom_sender import KINDS
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.network import enter_own_network
from benchmarks.page_cache import forget, warm
from benchmarks.processes import processor_seconds
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio
from kinote.app import Application, open_application
from kinote.delivery.sending import Sender, proposals
from kinote.dicom.files.part10 import read_file_meta
from kinote.dimse.associations.requestor import Proposal, association
from kinote.dimse.entity import ApplicationEntity
from kinote.holdings.live_objects import LiveObject, Selection
from kinote.settings.model import Settings
from tests.interop.orthanc import orthanc

ASSOCIATIONS = 4
RECEIVERS = ("storescp-tuned", "sink")
_OURS = "kinote"
_INSTANCE = 0x00020003


@dataclass(frozen=True, slots=True)
class Send:
    """Sends all objects of a kind to a port, over four associations; and tells its processor seconds so far."""

    to: Callable[[int], None]
    busy: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Objects sent a second, and microseconds of the sender's processor for each."""

    rate: float
    busy: float


#: Makes a sender of a folder and of all objects.
Start = Callable[[Path, Sequence[bytes]], AbstractContextManager[Send]]


@contextmanager
def kinote(folder: Path, files: Sequence[bytes]) -> Iterator[Send]:
    """Four associations, each in its thread, from a store that has the objects."""
    with open_application(Settings.model_validate({"data": folder})) as application:
        found = _filled(application, files)
        (contexts,) = proposals(found)

        def send_own(port: int, own: Sequence[LiveObject]) -> None:
            peer = ApplicationEntity(TITLE, "127.0.0.1", port)
            with association(peer, "KINOTE", Proposal(contexts)) as opened:
                sender = Sender(opened)
                for each in own:
                    sent = sender.send_live(application.door, each, PROGRAM)
                    if sent.kind != "completed":
                        raise RuntimeError(f"Kinote: {sent}")

        def send(port: int) -> None:
            _at_once([partial(send_own, port, found[at::ASSOCIATIONS]) for at in range(ASSOCIATIONS)])

        yield Send(send, time.process_time)


def _filled(application: Application, files: Sequence[bytes]) -> list[LiveObject]:
    done = []
    for file in files:
        upload = application.receiver.open(ORIGIN)
        upload.write(file)
        done.append(upload.finish())
    for each in done:
        if not each.result().succeeded:
            raise RuntimeError(f"Kinote: {each.result()}")
    # A statement takes some thousand parameters.
    uids = [_instance_uid(file) for file in files]
    return [
        each
        for at in range(0, len(uids), 500)
        for each in application.door.select(Selection(instances=tuple(uids[at : at + 500])))
    ]


def _instance_uid(file: bytes) -> str:
    meta = read_file_meta(file).meta
    assert meta is not None
    return meta.text(_INSTANCE) or ""


@contextmanager
def orthanc_jobs(folder: Path, files: Sequence[bytes]) -> Iterator[Send]:
    """Four jobs at once, each with its share of the objects."""
    with (
        orthanc(folder, ORTHANC_TUNED, environment=NO_DELAY) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
    ):
        found = [client.post("/instances", content=file).raise_for_status().json()["ID"] for file in files]

        def send(port: int) -> None:
            address = {"AET": TITLE, "Host": "127.0.0.1", "Port": port}
            client.put("/modalities/receiver", json=address).raise_for_status()
            jobs = [
                client.post(
                    "/modalities/receiver/store",
                    json={"Resources": found[at::ASSOCIATIONS], "Synchronous": False},
                )
                .raise_for_status()
                .json()["ID"]
                for at in range(ASSOCIATIONS)
            ]
            while jobs:
                states = {job: client.get(f"/jobs/{job}").json()["State"] for job in jobs}
                if "Failure" in states.values():
                    raise RuntimeError("Orthanc: a job has failed")
                jobs = [job for job in jobs if states[job] != "Success"]
                time.sleep(0.01)

        yield Send(send, partial(processor_seconds, server.pid))


def _program(*command: str) -> Start:
    """A program of DCMTK, four of it at once, each on a folder of its own."""

    @contextmanager
    def start(folder: Path, files: Sequence[bytes]) -> Iterator[Send]:
        folder.mkdir()
        own = [folder / str(at) for at in range(ASSOCIATIONS)]
        for at, each in enumerate(own):
            each.mkdir()
            for number, file in enumerate(files[at::ASSOCIATIONS]):
                (each / f"{number}.dcm").write_bytes(file)

        def run(port: int, files: Path) -> None:
            name, *options = command
            said = [dcmtk(name), *options, "-aec", TITLE, "127.0.0.1", str(port), str(files)]
            subprocess.run(said, env=NO_DELAY, check=True)

        yield Send(lambda port: _at_once([partial(run, port, each) for each in own]), _ended_children)

    return start


def _ended_children() -> float:
    """Processor seconds of programs that were run here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _at_once(work: Sequence[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(each) for each in work]:
            done.result()


SENDERS: dict[str, Start] = {
    "kinote": kinote,
    "orthanc": orthanc_jobs,
    "storescu": _program("storescu", "-R", "+sd", "+r"),
    "dcmsend": _program("dcmsend", "+sd", "+r"),
}


def measure(
    kind: str, objects: int, options: argparse.Namespace, folder: Path, quiet: Quiet
) -> dict[str, list[Measured]]:
    """Of each sender, what each round gave."""
    files = [KINDS[kind](number) for number in range(objects)]
    warm(folder, 2 * len(options.senders) * sum(map(len, files)))
    found: dict[str, list[Measured]] = {name: [] for name in options.senders}
    with ExitStack() as stack:
        senders = {
            name: stack.enter_context(SENDERS[name](folder / f"{name}-{objects}-{kind[:3].strip()}", files))
            for name in options.senders
        }
        for number in range(options.rounds):
            # Who comes first in one round comes last in the next.
            for name in options.senders if number % 2 == 0 else reversed(options.senders):
                own = folder / f"to-{name}-{objects}-{kind[:3].strip()}-{number}"
                with running([options.receiver], own) as started:
                    os.sync()
                    quiet.wait()
                    found[name].append(_measured(senders[name], started[options.receiver].port, objects))
                forget(own)
    return found


def _measured(sender: Send, port: int, objects: int) -> Measured:
    busy, begun = sender.busy(), time.perf_counter()
    sender.to(port)
    taken = time.perf_counter() - begun
    return Measured(objects / taken, (sender.busy() - busy) / objects * 1e6)


def show(kind: str, objects: int, found: dict[str, list[Measured]]) -> None:
    table = Table(("sender", "a second", "least", "most", "Kinote to it", "us each"))
    middle = {name: median(one.rate for one in each) for name, each in found.items()}
    for name, each in found.items():
        rates = [one.rate for one in each]
        share = ratio(middle[_OURS], middle[name]) if _OURS in found else "-"
        table.add(name, middle[name], min(rates), max(rates), share, median(one.busy for one in each))
    table.show(f"{kind} x {objects}, {ASSOCIATIONS} associations: objects sent a second")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--senders", nargs="+", choices=SENDERS, default=list(SENDERS), metavar="NAME")
    parser.add_argument("--receiver", choices=RECEIVERS, default=RECEIVERS[0])
    parser.add_argument("--images", type=int, default=400, help="of 512 KB [default: 400]")
    parser.add_argument("--key-objects", type=int, default=2000, help="of 2 KB [default: 2000]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    enter_own_network("benchmarks.dicom_sending", list(sys.argv[1:] if arguments is None else arguments))
    results: list[dict[str, object]] = []
    quiet = Quiet(options.busy)
    with temporary_folder(options.folder) as folder:
        taken = describe(folder, peers=versions(["storescp", *options.senders]))
        print(
            f"settings  {options.rounds} rounds to {options.receiver}; peers with TCP_NODELAY=1", flush=True
        )
        for kind, objects in (("CT 512 KB", options.images), ("KOS 2 KB", options.key_objects)):
            found = measure(kind, objects, options, folder, quiet)
            print(f"machine   {quiet.describe()}")
            show(kind, objects, found)
            results += [
                {
                    "kind": kind,
                    "objects": objects,
                    "associations": ASSOCIATIONS,
                    "sender": name,
                    "rate": median(one.rate for one in each),
                    "rounds": [one.rate for one in each],
                    "microseconds": median(one.busy for one in each),
                }
                for name, each in found.items()
            ]
    if options.json:
        written = {
            "program": "dicom_sending",
            "taken_with": {**taken, "quiet": quiet.describe()},
            "receiver": options.receiver,
            "settings": SETTINGS,
            "results": results,
        }
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
