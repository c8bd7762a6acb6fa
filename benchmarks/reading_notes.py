"""Measure listing a study's notes at a million notes: while nothing else happens, and while notes are written.

    python -m benchmarks.reading_notes                 # fills a folder of its own, and removes it
    python -m benchmarks.reading_notes --data FILLED   # on a data directory filled before; notes are added

Reads come at a steady pace: in process, and over HTTP from another process. The writer makes notes through
the catalog of the very process that answers, at the rate asked for or as near to it as the machine comes;
the rate it reached stands beside. Prints milliseconds.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from benchmarks.actors import PROGRAM
from benchmarks.fill import Extent
from benchmarks.filled import add_filled, extent_in, filled_data
from benchmarks.machine import describe, temporary_folder
from benchmarks.notes import note_request
from benchmarks.sending import connect, get
from benchmarks.table import Table, percentile
from benchmarks.uids import study_uid
from kinote.app import open_application
from kinote.catalog.transactions.catalog import Catalog
from kinote.command.serving.running import serve
from kinote.notes.acts.make import make
from kinote.notes.acts.request import NoteRequest
from kinote.notes.lists.note import as_json
from kinote.notes.lists.queries import notes_of_study
from kinote.settings.model import Settings
from kinote.telemetry.logs import set_up_logs

#: Ten notes to a study, as a radiologist leaves them.
FILLED = Extent(100_000, notes=1_000_000, images=10)

#: Transactions that may wait for the writer: beyond them it is as fast as the machine lets it be.
_WAITING = 4


@dataclass(frozen=True, slots=True)
class Load:
    """Reads and how many a second; notes to write a second, and how many in one transaction."""

    reads: int
    pace: int
    writes: int
    group: int


@dataclass(frozen=True, slots=True)
class Read:
    """One study's notes: how long it took, how many there were, in how many bytes."""

    milliseconds: float
    notes: int
    size: int


class Writer:
    """Makes notes on random studies at a steady rate, in a thread, for as long as the block lasts."""

    def __init__(self, catalog: Catalog, extent: Extent, load: Load) -> None:
        self._catalog = catalog
        self._extent = extent
        self._load = load
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._write, name="benchmark-writer")
        self._written = 0
        self._seconds = 1.0

    @property
    def rate(self) -> float:
        """Notes made a second; to be read after the block."""
        return self._written / self._seconds

    def __enter__(self) -> Self:
        if self._load.writes:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        if self._load.writes:
            self._thread.join()

    def _write(self) -> None:
        chance = random.Random(11)
        waiting: deque[Future[list[int]]] = deque()
        begun = time.perf_counter()
        while not self._enough.wait(max(begun + self._written / self._load.writes - time.perf_counter(), 0)):
            requests = [
                note_request(chance.randrange(1 << 30), self._extent) for _ in range(self._load.group)
            ]
            waiting.append(self._catalog.submit(partial(_make, requests)))
            self._written += len(requests)
            if len(waiting) == _WAITING:
                waiting.popleft().result()
        for last in waiting:
            last.result()
        self._seconds = time.perf_counter() - begun


def _make(requests: Sequence[NoteRequest], transaction: Connection) -> list[int]:
    return make(transaction, requests, study_instance_uid=None, by=PROGRAM, now=datetime.now(UTC))


def read_in_process(catalog: Catalog, uid: str) -> Read:
    """What the face does, without the face."""
    begun = time.perf_counter()
    with catalog.read() as connection:
        found = notes_of_study(connection, uid)
    body = json.dumps([as_json(one) for one in found]).encode()
    return Read((time.perf_counter() - begun) * 1000, len(found), len(body))


def paced(read: Callable[[str], Read], extent: Extent, load: Load) -> list[Read]:
    """Read the notes of random studies, one study after the other, at a steady pace."""
    chance = random.Random(7)
    begun = time.perf_counter()
    found = []
    for number in range(load.reads):
        time.sleep(max(begun + number / load.pace - time.perf_counter(), 0))
        found.append(read(study_uid(chance.randrange(extent.studies))))
    return found


def in_process(data: Path, extent: Extent, load: Load) -> tuple[list[Read], float]:
    with (
        open_application(_settings(data)) as application,
        Writer(application.catalog, extent, load) as writer,
    ):
        found = paced(partial(read_in_process, application.catalog), extent, load)
    return found, writer.rate


def over_http(data: Path, extent: Extent, load: Load) -> tuple[list[Read], float]:
    """The same from outside a server that writes by itself."""
    options = [f"--data={data}", f"--writes={load.writes}", f"--group={load.group}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reading_notes", "--serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        connection = connect(server.stdout.readline().strip())

        def read(uid: str) -> Read:
            answer = get(connection, f"/api/v1/studies/{uid}/notes", "application/json")
            return Read(answer.milliseconds, answer.body.count(b'"version"'), len(answer.body))

        found = paced(read, extent, load)
        connection.close()
    finally:
        server.send_signal(signal.SIGINT)
    rate = float(server.stdout.readline())
    server.wait(60)
    return found, rate


def host(data: Path, load: Load) -> None:
    """Serve and write until interrupted; prints the address, and at the end the notes written a second."""
    set_up_logs(as_json=False)
    settings = _settings(data)
    with (
        open_application(settings) as application,
        Writer(application.catalog, extent_in(application.catalog), load) as writer,
        suppress(KeyboardInterrupt),
    ):
        serve(application, settings, lambda reached: print(reached.url, flush=True))
    print(writer.rate)


def _settings(data: Path) -> Settings:
    return Settings.model_validate({"data": data, "http_port": 0, "dicom_port": 0})


def measure(data: Path, load: Load) -> Table:
    with open_application(_settings(data)) as application:
        extent = extent_in(application.catalog)
    print(f"filled    {extent.studies} studies of {extent.images} images, {extent.notes} notes")
    print(f"settings  {load.reads} reads, {load.pace} a second; notes written {load.group} in a transaction")
    table = Table(("reading", "p50", "p95", "p99", "worst", "notes", "KB", "written/s"))
    for writes in (0, load.writes):
        for name, way in (("in process", in_process), ("over HTTP", over_http)):
            found, rate = way(data, extent, Load(load.reads, load.pace, writes, load.group))
            taken = [read.milliseconds for read in found]
            marks = [percentile(taken, part) for part in (0.5, 0.95, 0.99, 1)]
            notes = sum(read.notes for read in found) / len(found)
            size = sum(read.size for read in found) / len(found) / 1000
            table.add(f"{name}, {'notes are written' if writes else 'idle'}", *marks, notes, size, rate)
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_filled(parser, FILLED)
    parser.add_argument("--reads", type=int, default=1000)
    parser.add_argument("--pace", type=int, default=50, help="reads a second [default: 50]")
    parser.add_argument("--writes", type=int, default=2000, help="notes a second [default: 2000]")
    parser.add_argument("--group", type=int, default=20, help="notes in a transaction [default: 20]")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    load = Load(options.reads, options.pace, options.writes, options.group)
    if options.serve:
        host(options.data, load)
        return
    with temporary_folder(options.folder) as folder:
        describe(folder, "uvicorn", "SQLAlchemy")
        measure(filled_data(options, folder), load).show("The notes of a study, in milliseconds")


if __name__ == "__main__":
    main()
