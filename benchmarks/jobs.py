"""Measure jobs that have nothing to do, beside bare commits in SQLite on the same disk.

    python -m benchmarks.jobs

An empty job is made, claimed, begun, ended and told in its history: what a queue costs beside the work that it does.
Jobs are made in one transaction for all, or in one for each. Bare SQLite inserts one small row and commits it, with a
write-ahead log and synchronous=FULL as Kinote has it. Everything is durable when it counts. Measurements take turns;
prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

from sqlalchemy import Connection

from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.jobs.enqueueing import enqueue
from kinote.jobs.kinds import JobKind
from kinote.jobs.leased import Done, LeasedJob, Outcome
from kinote.jobs.workers import WorkerOptions, Workers
from kinote.telemetry.clock import system_clock

#: Workers, as many as a server has by itself, all of which may do this kind at once.
WORKERS = 2
KIND = JobKind("benchmark-nothing", "does nothing", at_once=WORKERS)

BARE = "bare SQLite, one commit each"


class Counting:
    """A handler that does nothing, and says when so many have done so."""

    def __init__(self, number: int) -> None:
        self.all_done = threading.Event()
        self._left = number
        self._lock = threading.Lock()

    def __call__(self, job: LeasedJob) -> Outcome:
        with self._lock:
            self._left -= 1
            if not self._left:
                self.all_done.set()
        return Done()


def bare(folder: Path, number: int) -> float:
    """Rate of commits of one small row each."""
    with closing(sqlite3.connect(folder / "bare.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS small (id INTEGER PRIMARY KEY, value TEXT)")
        begun = time.perf_counter()
        for one in range(number):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO small (value) VALUES (?)", (f"row {one}",))
            connection.execute("COMMIT")
        return number / (time.perf_counter() - begun)


def make(catalog: Catalog, number: int) -> float:
    """Rate of jobs that are made in a transaction each."""
    begun = time.perf_counter()
    for _ in range(number):
        catalog.write(_enqueue)
    return number / (time.perf_counter() - begun)


def make_together(catalog: Catalog, number: int) -> float:
    """Rate of jobs that are made in one transaction."""

    def work(transaction: Connection) -> None:
        for _ in range(number):
            _enqueue(transaction)

    begun = time.perf_counter()
    catalog.write(work)
    return number / (time.perf_counter() - begun)


def do(catalog: Catalog, number: int) -> float:
    """Rate at which workers do what was made."""
    counting = Counting(number)
    begun = time.perf_counter()
    with closing(
        Workers(catalog, {KIND: counting}, system_clock, name="benchmark", options=WorkerOptions(WORKERS))
    ):
        counting.all_done.wait()
        taken = time.perf_counter() - begun
    return number / taken


def _enqueue(transaction: Connection) -> None:
    enqueue(transaction, KIND, {}, clock=system_clock, actor="benchmark")


def measure_all(
    catalog: Catalog, folder: Path, number: int, rounds: int, quiet: Quiet
) -> dict[str, list[float]]:
    """Rates by what was done, of each round; a first round only warms up. What is made is done next."""
    turns: dict[str, Callable[[], float]] = {
        BARE: partial(bare, folder, number),
        "make, one by one": partial(make, catalog, number),
        f"do, {WORKERS} workers": partial(do, catalog, number),
        "make, together": partial(make_together, catalog, number),
        f"do, {WORKERS} workers, again": partial(do, catalog, number),
    }
    found: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(rounds + 1):
        for name, measured in turns.items():
            quiet.wait()
            rate = measured()
            if turn:
                found[name].append(rate)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2000, help="in each measurement [default: 2000]")
    parser.add_argument("--rounds", type=int, default=5)
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(f"settings  {options.jobs} jobs, {WORKERS} workers; {options.rounds} rounds")
        quiet = Quiet(options.busy)
        with closing(Catalog(CatalogOptions(f"sqlite:///{folder / 'kinote.sqlite'}"))) as catalog:
            found = measure_all(catalog, folder, options.jobs, options.rounds, quiet)
        print(f"machine   {quiet.describe()}")
    table = Table(("work", "per second", "least", "most", "to bare commits"))
    floor = median(found[BARE])
    for name, rates in found.items():
        table.add(name, median(rates), min(rates), max(rates), ratio(median(rates), floor))
    table.show("Empty jobs, durable")


if __name__ == "__main__":
    main()
