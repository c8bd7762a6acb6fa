"""Measure what a server does beside its work: reaping, and comparing rows with bytes; and intake meanwhile.

    python -m benchmarks.upkeep

Objects of which half lie in packs and half in the index are taken in and withdrawn, and the reaper purges them:
tombstones first, then the bytes. The reconciler looks through rows that were filled in, each with bytes in the index.
Both work as in a server, with all their pauses; `busy` leaves these out. The reconciler is held to a thousand rows a
second by its pace. Intake meanwhile sends small images, one after the other.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, text

from benchmarks.actors import ORIGIN, PROGRAM
from benchmarks.fill import Extent, filled
from benchmarks.intake import send, small_image
from benchmarks.machine import add_folder, describe, temporary_folder
from benchmarks.objects import key_object
from benchmarks.quiet import Quiet, add_busy
from benchmarks.table import Table, ratio
from kinote.app import Application, open_application
from kinote.catalog.nodes import Node
from kinote.holdings.reaping.reaper import Reaper
from kinote.holdings.reconciling.reconciler import Reconciler
from kinote.lifecycle.acts import QUALITY
from kinote.lifecycle.purging.delays import PurgeDelays
from kinote.lifecycle.withdrawals.withdrawal import withdraw
from kinote.settings.model import Settings
from kinote.telemetry.clock import system_clock

#: Objects reaped per second, and the part of its rate that intake keeps meanwhile: the project's targets.
REAPED, KEPT = 2000, 0.9

#: Uploads that are under way together while the index is filled, and instances of one withdrawal.
_UNDER_WAY, _TOGETHER = 200, 10_000


@dataclass(slots=True)
class Measured:
    """How many things in how many seconds, how many seconds of these without pauses, and intake meanwhile."""

    number: int
    seconds: float
    busy: float
    intake: float


def fill_with_objects(application: Application, number: int) -> list[str]:
    """Take in as many objects, half of them images; gives their UIDs."""
    uids = []
    for first in range(0, number, _UNDER_WAY):
        futures = []
        for one in range(first, min(first + _UNDER_WAY, number)):
            upload = application.receiver.open(ORIGIN)
            upload.write(small_image(one // 2) if one % 2 else key_object(one // 2))
            futures.append(upload.finish())
        uids += [future.result().sop_instance_uid for future in futures]
    return uids


def withdraw_all(application: Application, uids: Sequence[str]) -> None:
    now = datetime.now(UTC)
    for start in range(0, len(uids), _TOGETHER):
        part = uids[start : start + _TOGETHER]

        def work(transaction: Connection, part: Sequence[str] = part) -> None:
            withdraw(transaction, part, act=QUALITY, text="a benchmark", by=PROGRAM, now=now)

        application.catalog.write(work)


def give_bytes(transaction: Connection) -> None:
    """Give rows that were filled in the bytes that they promise, in the index, as far as their length goes."""
    transaction.execute(
        text(
            "UPDATE instance SET size = 4, file_key = NULL WHERE residence = 'local' AND received_from = 'fill'"
        )
    )
    transaction.execute(
        text(
            "INSERT INTO instance_bytes (instance, dataset) SELECT id, x'00000000' FROM instance "
            "WHERE residence = 'local' AND received_from = 'fill'"
        )
    )


class Intake:
    """Sends small images, one when the last is durable, for as long as a block lasts."""

    def __init__(self, application: Application, files: Iterator[bytes]) -> None:
        self._application = application
        self._files = files
        self._ending = threading.Event()
        self._sent = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Intake:
        self._begun = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._taken = time.perf_counter() - self._begun

    @property
    def rate(self) -> float:
        return self._sent / self._taken

    def _run(self) -> None:
        while not self._ending.is_set():
            send(self._application.receiver, next(self._files))
            self._sent += 1


def worked_through(
    application: Application, files: Iterator[bytes], step: Callable[[], float], number: int
) -> Measured:
    """Take steps with their pauses until one says that it is through, by a pause of a minute."""
    busy = 0.0
    begun = time.perf_counter()
    with Intake(application, files) as intake:
        while True:
            at = time.perf_counter()
            pause = step()
            busy += time.perf_counter() - at
            if pause >= 1:
                break
            time.sleep(pause)
        taken = time.perf_counter() - begun
    return Measured(number, taken, busy, intake.rate)


def measure_all(
    folder: Path, objects: int, extent: Extent, seconds: float, quiet: Quiet
) -> dict[str, Measured]:
    # Other ones than those that are reaped.
    files = map(small_image, count(objects))
    found = {}
    with open_application(Settings.model_validate({"data": folder / "data"})) as application:
        filled(application.catalog, extent)
        uids = fill_with_objects(application, objects)
        application.catalog.write(give_bytes)
        quiet.wait()
        with Intake(application, files) as alone:
            time.sleep(seconds)
        found["intake alone"] = Measured(0, seconds, 0, alone.rate)
        node = Node(application.catalog, "benchmark", system_clock)
        with closing(node):
            quiet.wait()
            rows = extent.studies * extent.images + objects
            with closing(_reconciler(application, node)) as reconciler:
                found["reconciler, rows"] = worked_through(application, files, reconciler.step, rows)
            withdraw_all(application, uids)
            quiet.wait()
            with closing(_reaper(application, node)) as reaper:
                found["reaper, objects"] = worked_through(application, files, reaper.step, objects)
    return found


def _reconciler(application: Application, node: Node) -> Reconciler:
    return Reconciler(
        application.catalog,
        application.stores,
        system_clock,
        node=node.id,
        every=timedelta(seconds=1),
        store_is_there=application.store_is_there,
        living=lambda: {application.presence.mark} if application.presence is not None else set(),
    )


def _reaper(application: Application, node: Node) -> Reaper:
    return Reaper(
        application.catalog,
        application.stores,
        system_clock,
        node=node.id,
        delays=PurgeDelays(timedelta()),
        store_is_there=application.store_is_there,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000, help="that are reaped [default: 100000]")
    parser.add_argument("--studies", type=int, default=10_000, help="filled in [default: 10000]")
    parser.add_argument(
        "--images", type=int, default=100, help="of each of these, an even number [default: 100]"
    )
    parser.add_argument("--seconds", type=float, default=20, help="of intake alone [default: 20]")
    add_folder(parser)
    add_busy(parser)
    options = parser.parse_args(arguments)
    extent = Extent(options.studies, images=options.images)
    with temporary_folder(options.folder) as folder:
        describe(folder, "SQLAlchemy")
        print(f"settings  {options.objects} objects reaped, {extent.studies * extent.images} rows filled in")
        quiet = Quiet(options.busy)
        found = measure_all(folder, options.objects, extent, options.seconds, quiet)
        print(f"machine   {quiet.describe()}")
    table = Table(("work", "per second", "busy", "intake/s", "to intake alone"))
    alone = found["intake alone"].intake
    for name, one in found.items():
        busy = one.number / one.busy if one.busy else 0.0
        table.add(name, one.number / one.seconds, busy, one.intake, ratio(one.intake, alone))
    table.show(f"Upkeep: {REAPED} objects reaped per second, and {KEPT:g} of intake's rate, are wanted")


if __name__ == "__main__":
    main()
