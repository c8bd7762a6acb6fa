"""Measure what filing an object costs in an index of two million instances, compared with an empty one.

    python -m benchmarks.filing                  # fills a folder of its own, in some ten minutes, and removes it
    python -m benchmarks.fill DATA --studies 100000 --images 10 --notes 1000000 --scattered
    python -m benchmarks.filing --data DATA      # adds what it files to it

In process, without a network: threads that each send the next object when the last is durable. All UIDs are
scattered, those in the index and those that are filed: each falls somewhere else. Cold: the index has been dropped
from memory before. Warm: it has been read from end to end, and objects like these have just been filed. Nothing is
deleted before the end, memory is warmed before the first round, and each measurement waits for a quiet machine.
Prints medians of the rounds: for each object microseconds of the processor, of all threads and of those that only
sync, place and commit, and microseconds by the clock.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.fill import Extent, add_extent, extent_of, filled_directory
from benchmarks.intake import Kind, Measured, measure, small_image
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import image, key_object
from benchmarks.page_cache import forget, recall, warm
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio
from benchmarks.uids import SCATTERED
from kinote.app import open_application
from kinote.settings.model import Settings

FILLED = Extent(100_000, 1_000_000, 10, SCATTERED)

#: What the cost in the full index may be of that in an empty one: the project's target.
BAR = 1.3

_STATES = ("cold", "warm")

#: Objects are numbered from somewhere below this, so that another run on the same data files others.
_FIRST = 10**8

#: What is printed of a measurement, and how it is called there.
FIGURES: dict[str, Callable[[Measured], float]] = {
    "cpu": lambda one: one.sending + one.filing,
    "filing cpu": lambda one: one.filing,
    "clock": lambda one: 1e6 / one.rate,
}


@dataclass(frozen=True, slots=True)
class Key:
    """Objects of a kind, filed into one of the indexes in one state."""

    kind: str
    state: str
    is_full: bool


def measure_all(
    full: Path, kinds: Sequence[Kind], senders: int, rounds: int, folder: Path, quiet: Quiet
) -> dict[Key, list[Measured]]:
    """What each round gave."""
    warm(folder, 4 * sum(kind.objects * len(kind.make(0)) for kind in kinds))
    found: dict[Key, list[Measured]] = {}
    first = secrets.randbelow(_FIRST)
    for number in range(rounds):
        empty = folder / f"empty-{number}"
        for kind in kinds:
            # Who comes first in one round comes last in the next.
            for data in (empty, full) if number % 2 == 0 else (full, empty):
                files = [kind.make(one) for one in range(first, first + 3 * kind.objects)]
                first += len(files)
                for state, measured in zip(_STATES, _file(data, files, senders, quiet), strict=True):
                    found.setdefault(Key(kind.name, state, data == full), []).append(measured)
        forget(empty)
    return found


def _file(data: Path, files: Sequence[bytes], senders: int, quiet: Quiet) -> list[Measured]:
    """A third of the files cold, another to come warm, the last warm."""
    index, third = data / "kinote.sqlite", len(files) // 3
    if not index.exists():
        with open_application(Settings.model_validate({"data": data})):
            pass
    forget(index)
    with open_application(Settings.model_validate({"data": data})) as application:
        quiet.wait()
        cold = measure(application.receiver, files[:third], senders)
        recall(index)
        measure(application.receiver, files[third : 2 * third], senders)
        quiet.wait()
        return [cold, measure(application.receiver, files[2 * third :], senders)]


def show(found: dict[Key, list[Measured]]) -> None:
    columns = [f"{name}{part}" for name in FIGURES for part in (", empty", ", full", ", ratio")]
    table = Table(("objects", "index", *columns))
    for kind, state in dict.fromkeys((key.kind, key.state) for key in found):
        cells: list[str | float] = []
        for figure in FIGURES.values():
            empty, full = (median(map(figure, found[Key(kind, state, is_full)])) for is_full in (False, True))
            cells += [empty, full, ratio(full, empty)]
        table.add(kind, state, *cells)
    table.show(
        f"Filing into an empty and a full index: microseconds for each object; at most {BAR} x is wanted"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="a data directory that benchmarks.fill has filled with --scattered"
    )
    add_extent(parser, FILLED)
    parser.add_argument("--objects", type=int, default=400, help="of each kind, in a round [default: 400]")
    parser.add_argument("--senders", type=int, default=4, help="[default: 4]")
    parser.add_argument("--rounds", type=int, default=3)
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    makes = {
        "KOS 2 KB": partial(key_object, naming=SCATTERED),
        "CT 20 KB": partial(small_image, naming=SCATTERED),
        "CT 512 KB": partial(image, naming=SCATTERED),
    }
    kinds = [Kind(name, make, options.objects) for name, make in makes.items()]
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(
            f"settings  {options.senders} senders; {options.rounds} rounds of {options.objects} of each kind"
        )
        full = options.data or filled_directory(folder / "full", extent_of(options, SCATTERED))
        quiet = Quiet(options.busy)
        found = measure_all(full, kinds, options.senders, options.rounds, folder, quiet)
        print(f"machine   {quiet.describe()}")
        show(found)


if __name__ == "__main__":
    main()
