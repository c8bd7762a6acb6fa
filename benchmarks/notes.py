"""Measure making notes and registering received key objects, in process, beside bare SQLite on the same disk.

    python -m benchmarks.notes

Bare SQLite inserts one small row and commits it, with a write-ahead log and synchronous=FULL as Kinote has
it: what a durable commit costs here. A note has five references; making it writes its rows and its KOS.
Registering is intake of a KOS: walked, read, stored and made a note. Everything is durable when it counts.
The measurements take turns; prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

from sqlalchemy import Connection

from benchmarks.actors import ORIGIN, PROGRAM
from benchmarks.fill import Extent, filled
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import key_object
from benchmarks.table import Table, ratio
from benchmarks.uids import image_uid
from kinote.app import Application, open_application
from kinote.intake.outcome import Outcome
from kinote.keyobject.titles import OF_INTEREST
from kinote.notes.acts.make import make
from kinote.notes.acts.request import NoteRequest, RequestedReference
from kinote.notes.author import Author
from kinote.settings.model import Settings

EXTENT = Extent(100)
REFERENCES = 5
GROUP = 200
AT_ONCE = 4
READER = Author("person", "Reader^Rhea", "rhea")


def note_request(number: int, extent: Extent) -> NoteRequest:
    """A note on images of one of the filled studies."""
    study, at = number % extent.studies, number // extent.studies * REFERENCES
    flagged = dict.fromkeys((at + step) % extent.images for step in range(REFERENCES))
    return NoteRequest(
        title=OF_INTEREST,
        references=tuple(RequestedReference(image_uid(study, position)) for position in flagged),
        description=f"Nodule {number}, to be seen again in six months",
        author=READER,
    )


@dataclass(slots=True)
class Measurements:
    """An open application with filled studies, and what is done in it."""

    application: Application
    folder: Path
    one_by_one: int
    in_groups: int
    numbers: Iterator[int] = field(default_factory=count)

    def kinds(self) -> dict[str, Callable[[], float]]:
        """By name, what gives a rate: so many a second."""
        return {
            "bare SQLite, one commit each": self.bare,
            "make, one by one": self.make_one_by_one,
            f"make, one by one, {AT_ONCE} at once": self.make_at_once,
            f"make, {GROUP} in a transaction": self.make_groups,
            "register KOS, one by one": self.register_one_by_one,
            f"register KOS, {GROUP} under way": self.register_groups,
        }

    def bare(self) -> float:
        connection = sqlite3.connect(self.folder / "bare.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS small (id INTEGER PRIMARY KEY, value TEXT)")
        begun = time.perf_counter()
        for number in range(self.one_by_one):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO small (value) VALUES (?)", (f"row {number}",))
            connection.execute("COMMIT")
        taken = time.perf_counter() - begun
        connection.close()
        return self.one_by_one / taken

    def make_one_by_one(self) -> float:
        requests = self._requests(self.one_by_one)
        return rate(self.one_by_one, lambda: [self._make([request]) for request in requests])

    def make_at_once(self) -> float:
        requests = [[request] for request in self._requests(self.one_by_one)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return rate(self.one_by_one, lambda: list(pool.map(self._make, requests)))

    def make_groups(self) -> float:
        requests = self._requests(self.in_groups)
        groups = [requests[start : start + GROUP] for start in range(0, self.in_groups, GROUP)]
        return rate(self.in_groups, lambda: [self._make(group) for group in groups])

    def register_one_by_one(self) -> float:
        files = self._files(self.one_by_one)
        return rate(self.one_by_one, lambda: [_stored(self._take(file)) for file in files])

    def register_groups(self) -> float:
        """One thread hands objects over as a store request does, and waits for the oldest of so many."""
        files = self._files(self.in_groups)

        def work() -> None:
            under_way: deque[Future[Outcome]] = deque()
            for file in files:
                under_way.append(self._take(file))
                if len(under_way) == GROUP:
                    _stored(under_way.popleft())
            for outcome in under_way:
                _stored(outcome)

        return rate(self.in_groups, work)

    def _make(self, requests: Sequence[NoteRequest]) -> list[int]:
        now = datetime.now(UTC)

        def work(transaction: Connection) -> list[int]:
            return make(transaction, requests, study_instance_uid=None, by=PROGRAM, now=now)

        return self.application.catalog.write(work)

    def _take(self, file: bytes) -> Future[Outcome]:
        upload = self.application.receiver.open(ORIGIN)
        upload.write(file)
        return upload.finish()

    def _requests(self, many: int) -> list[NoteRequest]:
        return [note_request(next(self.numbers), EXTENT) for _ in range(many)]

    def _files(self, many: int) -> list[bytes]:
        return [key_object(next(self.numbers)) for _ in range(many)]


def rate(many: int, work: Callable[[], object]) -> float:
    """Do the work; gives how many a second that was."""
    begun = time.perf_counter()
    work()
    return many / (time.perf_counter() - begun)


def _stored(done: Future[Outcome]) -> Outcome:
    outcome = done.result()
    if outcome.kind != "stored" or outcome.registration != "registered":
        raise RuntimeError(f"A key object was not registered: {outcome}")
    return outcome


def measure(measurements: Measurements, rounds: int) -> dict[str, float]:
    """The median rate of each kind, all kinds in turn in every round; a first round only warms up."""
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, work in measurements.kinds().items():
            reached = work()
            if number:
                found.setdefault(name, []).append(reached)
    return {name: median(rates) for name, rates in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--one-by-one", type=int, default=1000, help="in each round [default: 1000]")
    parser.add_argument("--in-groups", type=int, default=10_000, help="in each round [default: 10000]")
    parser.add_argument("--rounds", type=int, default=3)
    add_folder(parser)
    options = parser.parse_args(arguments)
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(
            f"settings  {EXTENT.studies} studies of {EXTENT.images} images; notes of {REFERENCES} references; ",
            end="",
        )
        print(f"{options.rounds} rounds of {options.one_by_one} one by one, {options.in_groups} in groups")
        with open_application(Settings.model_validate({"data": folder / "data"})) as application:
            filled(application.catalog, EXTENT)
            measurements = Measurements(application, folder, options.one_by_one, options.in_groups)
            found = measure(measurements, options.rounds)
    bare = found["bare SQLite, one commit each"]
    table = Table(("work", "a second", "to bare SQLite"))
    for name, reached in found.items():
        table.add(name, reached, ratio(reached, bare))
    table.show("Notes made and registered, durable")


if __name__ == "__main__":
    main()
