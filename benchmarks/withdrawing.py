"""Measure withdrawing 10,000 instances and restoring them, each in one transaction, beside bare updates in SQLite.

    python -m benchmarks.withdrawing

The instances are those of one study, or of a hundred: two indexes. With every withdrawal come its rows, a row of the
change feed for each instance, and the counters of studies and series. Bare updates change the standing of as many rows
of a table that has nothing but that, with an index on it, in one transaction of SQLite with synchronous=FULL.
Everything is durable when it counts. Measurements take turns; prints medians of the rounds, and the least and most.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.actors import PROGRAM
from benchmarks.fill import Extent, filled
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio
from benchmarks.uids import image_uid
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.withdrawals.withdrawal import undo, withdraw

#: What withdrawing 10,000 instances may take: the project's target.
BAR = 1.0


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Bare:
    """A table of standings in a SQLite database of its own."""

    def __init__(self, folder: Path, many: int) -> None:
        self._connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, standing TEXT)")
        self._connection.execute("CREATE INDEX bare_by_standing ON bare (standing)")
        self._keys = range(1, many + 1)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO bare VALUES (?, 'live')", [(key,) for key in self._keys])
        self._connection.execute("COMMIT")

    def update(self, standing: str) -> None:
        """Give all rows a standing, one by one in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "UPDATE bare SET standing = ? WHERE id = ?", [(standing, key) for key in self._keys]
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def measure_all(
    catalogs: Mapping[Extent, Catalog], bare: Bare, rounds: int, quiet: Quiet
) -> dict[str, list[float]]:
    """Seconds by what was done, of each round; a first round only warms up."""
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        quiet.wait()
        taken = {
            "bare updates": seconds_of(partial(bare.update, "withdrawn")),
            "bare updates back": seconds_of(partial(bare.update, "live")),
        }
        for extent, catalog in catalogs.items():
            uids = [image_uid(study, at) for study in range(extent.studies) for at in range(extent.images)]
            keys: list[int] = []
            of = f"{extent.studies} studies" if extent.studies > 1 else "one study"
            taken[f"withdraw, {of}"] = seconds_of(partial(_withdraw, catalog, uids, keys))
            taken[f"undo, {of}"] = seconds_of(partial(_undo, catalog, keys))
        if number:
            for name, seconds in taken.items():
                found.setdefault(name, []).append(seconds)
    return found


def _withdraw(catalog: Catalog, uids: Sequence[str], keys: list[int]) -> None:
    now = datetime.now(UTC)
    keys.append(
        catalog.write(lambda tx: withdraw(tx, uids, act=QUALITY, text="blurred", by=PROGRAM, now=now))
    )


def _undo(catalog: Catalog, keys: Sequence[int]) -> None:
    now = datetime.now(UTC)
    catalog.write(lambda tx: undo(tx, keys[0], by=PROGRAM, now=now))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, default=100, help="of each of many studies, an even number [default: 100]"
    )
    parser.add_argument("--studies", type=int, default=100, help="how many these are [default: 100]")
    parser.add_argument("--rounds", type=int, default=5)
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    many = options.studies * options.images
    with temporary_folder(options.folder) as folder, ExitStack() as opened:
        describe(folder, "SQLAlchemy")
        print(f"settings  {many} instances, of one study and of {options.studies}; {options.rounds} rounds")
        catalogs = {}
        for extent in (Extent(1, images=many), Extent(options.studies, images=options.images)):
            url = f"sqlite:///{folder / f'{extent.studies}.sqlite'}"
            catalogs[extent] = opened.enter_context(closing(Catalog(CatalogOptions(url))))
            filled(catalogs[extent], extent)
        bare = opened.enter_context(closing(Bare(folder, many)))
        quiet = Quiet(options.busy)
        found = measure_all(catalogs, bare, options.rounds, quiet)
        print(f"machine   {quiet.describe()}")
    floor = median(found["bare updates"])
    table = Table(("work", "seconds", "least", "most", "to bare updates"))
    for name, seconds in found.items():
        table.add(name, median(seconds), min(seconds), max(seconds), ratio(median(seconds), floor))
    table.show(f"Standing of {many} instances changed, durable: {BAR:g} s for 10,000 is wanted")


if __name__ == "__main__":
    main()
