"""Measure intake in process, without a network: threads that each send the next object when the last is durable.

    python -m benchmarks.intake

A thread stands for an association of C-STORE, which waits for each answer. The index holds 20,000 instances
before. Everything is durable, indexed and registered when it counts. Of the processor's time for an object, one
part is that of the threads that send (walking, digest, what the index needs), the rest that of those that sync,
place and commit. Beside it stands what the machine gives: as many threads that do nothing but write the same files,
take their digests and sync them. Prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.fill import Extent, filled
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import image, key_object
from benchmarks.table import Table
from kinote.app import open_house
from kinote.intake.receiver import Receiver
from kinote.settings import Settings
from kinote.storage.folders import sync_folder

#: An object comes in portions of this, as in the PDUs of usual senders, in bytes.
PORTION = 128 * 1024


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

    And how many bare files a second there were beside that.
    """

    rate: float
    sending: float
    filing: float
    bare: float


def _small_image(number: int) -> bytes:
    """A CT image of 18 KB of pixels."""
    return image(_SMALL + number, size=96)


def send(receiver: Receiver, file: bytes) -> None:
    """Send one object and wait until it is durable; raises `RuntimeError` unless it is new and as it should be."""
    upload = receiver.open("benchmark")
    view = memoryview(file)
    for start in range(0, len(file), PORTION):
        upload.write(view[start : start + PORTION])
    outcome = upload.finish().result()
    if outcome.kind != "stored" or outcome.registration not in ("", "registered"):
        raise RuntimeError(f"An object was not stored: {outcome}")


def write_bare(folder: Path, files: Sequence[bytes], writers: int) -> float:
    """Files a second that so many threads write, digest and sync, each under a name that is synced, too."""

    def write(number: int) -> None:
        path = folder / str(number)
        digest = hashlib.sha256()
        with path.open("xb", buffering=0) as file:
            view = memoryview(files[number])
            for start in range(0, len(view), PORTION):
                file.write(view[start : start + PORTION])
                digest.update(view[start : start + PORTION])
            os.fdatasync(file.fileno())
        sync_folder(folder)

    folder.mkdir()
    with ThreadPoolExecutor(writers) as pool:
        begun = time.perf_counter()
        for _ in pool.map(write, range(len(files))):
            pass
        taken = time.perf_counter() - begun
    shutil.rmtree(folder)
    return len(files) / taken


def measure(receiver: Receiver, files: Sequence[bytes], senders: int, bare: float) -> Measured:
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
    return Measured(len(files) / taken, sending * share, (busy - sending) * share, bare)


def measure_all(
    folder: Path, kinds: Sequence[Kind], senders: Sequence[int], rounds: int, extent: Extent
) -> dict[tuple[str, int], list[Measured]]:
    """Of each kind and number of senders, what each round gave; a first round only warms up."""
    found: dict[tuple[str, int], list[Measured]] = {}
    with open_house(Settings.model_validate({"data": folder / "data"})) as house:
        filled(house.catalog, extent)
        numbers = {kind.name: 0 for kind in kinds}
        for number in range(rounds + 1):
            for kind in kinds:
                for many in senders:
                    first = numbers[kind.name]
                    numbers[kind.name] += kind.objects
                    files = [kind.make(one) for one in range(first, first + kind.objects)]
                    bare = write_bare(folder / "bare", files, many)
                    # What is left to be written is not for the next to wait for.
                    os.sync()
                    measured = measure(house.receiver, files, many, bare)
                    if number:
                        found.setdefault((kind.name, many), []).append(measured)
    return found


def show(found: dict[tuple[str, int], list[Measured]]) -> None:
    figures = ("rate", "sending", "filing", "bare")
    table = Table(("objects", "senders", "a second", "sender us", "filing us", "bare files a second"))
    for (name, senders), measured in found.items():
        table.add(name, senders, *(median(getattr(one, figure) for one in measured) for figure in figures))
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
    add_folder(parser)
    options = parser.parse_args(arguments)
    kinds = [
        Kind("KOS 2 KB", key_object, options.key_objects),
        Kind("CT 20 KB", _small_image, options.images),
        Kind("CT 512 KB", image, options.images),
    ]
    extent = Extent(options.studies)
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(f"settings  {extent.instances} instances before; {options.rounds} rounds of ", end="")
        print(f"{options.key_objects} KOS and {options.images} CT of each size")
        wanted = [kind for kind in kinds if kind.objects]
        show(measure_all(folder, wanted, options.senders, options.rounds, extent))


if __name__ == "__main__":
    main()
