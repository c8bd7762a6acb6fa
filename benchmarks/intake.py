"""Measure intake in process, without a network: threads that each send the next object when the last is durable.

    python -m benchmarks.intake

A thread stands for an association of C-STORE, which waits for each answer. The index holds 20,000 instances
before. Everything is durable, indexed and registered when it counts. Of the processor's time for an object, one
part is that of the threads that send (walking, digest, what the index needs), the rest that of those that sync,
place and commit. Beside it stands the floor: as many threads that do nothing but write the same objects, take their
digests, sync and commit them (see `benchmarks.floor`). Nothing is deleted before the end, memory is warmed before
the first round, and each measurement waits for a quiet machine. Prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.actors import ORIGIN
from benchmarks.fill import Extent, filled
from benchmarks.floor import DIGESTS, FLOORS, PORTION, measure_floor
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import image, key_object
from benchmarks.page_cache import forget, recall, warm
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio
from benchmarks.uids import IN_ORDER, Naming
from kinote.app import open_application
from kinote.intake.receiver import Receiver
from kinote.settings.model import Settings

#: Small images are of other studies than large ones; they are numbered from here.
_SMALL = 10**6


@dataclass(frozen=True, slots=True)
class Kind:
    """Objects of a kind, made by their number, so many in each round."""

    name: str
    make: Callable[[int], bytes]
    objects: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Objects a second, and for each object microseconds of the processor: of senders, and of all others.

    And how many objects a second the floor keeps.
    """

    rate: float
    sending: float
    filing: float
    floor: float = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: kinds, numbers of senders, rounds, and what the index holds before."""

    kinds: Sequence[Kind]
    senders: Sequence[int]
    rounds: int
    extent: Extent
    digest: str


def small_image(number: int, naming: Naming = IN_ORDER) -> bytes:
    """A CT image of 18 KB of pixels."""
    return image(_SMALL + number, size=96, naming=naming)


def send(receiver: Receiver, file: bytes) -> None:
    """Send one object and wait until it is durable; raises `RuntimeError` unless it is new and as it should be."""
    upload = receiver.open(ORIGIN)
    view = memoryview(file)
    for start in range(0, len(file), PORTION):
        upload.write(view[start : start + PORTION])
    outcome = upload.finish().result()
    if outcome.kind != "stored" or outcome.registration not in ("", "registered"):
        raise RuntimeError(f"An object was not stored: {outcome}")


def measure(receiver: Receiver, files: Sequence[bytes], senders: int) -> Measured:
    """Send all files, shared out among so many threads."""
    together = threading.Barrier(senders + 1)

    def work(own: Sequence[bytes]) -> float:
        together.wait()
        begun = time.thread_time()
        for file in own:
            send(receiver, file)
        return time.thread_time() - begun

    with ThreadPoolExecutor(senders) as pool:
        running = [pool.submit(work, files[at::senders]) for at in range(senders)]
        busy = time.process_time()
        begun = time.perf_counter()
        together.wait()
        sending = sum(sender.result() for sender in running)
        taken = time.perf_counter() - begun
        busy = time.process_time() - busy
    share = 1e6 / len(files)
    return Measured(len(files) / taken, sending * share, (busy - sending) * share)


def measure_all(folder: Path, plan: Plan, quiet: Quiet) -> dict[tuple[str, int], list[Measured]]:
    """Of each kind and number of senders, what each round gave; a first round only warms up."""
    warm(folder, 2 * len(plan.senders) * sum(kind.objects * len(kind.make(0)) for kind in plan.kinds))
    found: dict[tuple[str, int], list[Measured]] = {}
    with open_application(Settings.model_validate({"data": folder / "data"})) as application:
        filled(application.catalog, plan.extent)
        numbers = {kind.name: 0 for kind in plan.kinds}
        for number in range(plan.rounds + 1):
            for kind in plan.kinds:
                for many in plan.senders:
                    first = numbers[kind.name]
                    numbers[kind.name] += kind.objects
                    files = [kind.make(one) for one in range(first, first + kind.objects)]
                    quiet.wait()
                    own = folder / f"floor-{kind.name}-{many}-{number}"
                    floor = _floor(own, plan.digest, kind, first, many)
                    forget(own)
                    quiet.wait()
                    measured = replace(measure(application.receiver, files, many), floor=floor)
                    if number:
                        found.setdefault((kind.name, many), []).append(measured)
            forget(folder / "data")
            recall(folder / "data" / "kinote.sqlite")
    return found


def _floor(folder: Path, digest: str, kind: Kind, first: int, senders: int) -> float:
    form = FLOORS["floor"][kind.name]
    reached = measure_floor(
        folder, form, digest, kind=kind.name, first=first, objects=kind.objects, threads=senders
    )
    return reached.objects / reached.seconds


def show(found: dict[tuple[str, int], list[Measured]]) -> None:
    figures = ("rate", "sending", "filing", "floor")
    table = Table(("objects", "senders", "a second", "sender us", "filing us", "floor a second", "to floor"))
    for (name, senders), measured in found.items():
        middle = [median(getattr(one, figure) for one in measured) for figure in figures]
        table.add(name, senders, *middle, ratio(middle[0], middle[-1]))
    table.show("Intake in process: objects a second, and microseconds of processor for each object")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400, help="of each size, in a round [default: 400]")
    parser.add_argument("--key-objects", type=int, default=2000, help="in a round [default: 2000]")
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--studies", type=int, default=200, help="of 100 images, there before [default: 200]")
    parser.add_argument("--digest", choices=DIGESTS, default="sha256", help="of the floor [default: sha256]")
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    kinds = [
        Kind("KOS 2 KB", key_object, options.key_objects),
        Kind("CT 20 KB", small_image, options.images),
        Kind("CT 512 KB", image, options.images),
    ]
    extent = Extent(options.studies)
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(f"settings  {extent.instances} instances before; {options.rounds} rounds of ", end="")
        print(f"{options.key_objects} KOS and {options.images} CT of each size")
        wanted = [kind for kind in kinds if kind.objects]
        quiet = Quiet(options.busy)
        plan = Plan(wanted, options.senders, options.rounds, extent, options.digest)
        found = measure_all(folder, plan, quiet)
        print(f"machine   {quiet.describe()}")
        show(found)


if __name__ == "__main__":
    main()
