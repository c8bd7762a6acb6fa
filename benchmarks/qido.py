"""Measure QIDO-RS over HTTP at a million instances, beside Orthanc with as many as it can be filled with.

    python -m benchmarks.qido                 # fills a folder of its own, and removes it
    python -m benchmarks.qido --data FILLED   # on a data directory filled before

Runs in a network namespace of its own, since Orthanc listens on all addresses. Orthanc is filled by STOW-RS
for so many seconds with studies of the same patients, their images small, as its answers do not depend on
pixels. The same client asks both, one after the other, for studies drawn anew each time, over one kept
connection each. Prints milliseconds; Orthanc's grow with what it holds, so the ratio is to its advantage.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.fill import Extent
from benchmarks.filled import add_filled, extent_in, filled_data
from benchmarks.machine import describe, program_version, temporary_folder
from benchmarks.network import enter_own_network
from benchmarks.objects import image
from benchmarks.sending import Answer, connect, get, store, store_body
from benchmarks.subjects import IMAGES
from benchmarks.table import Table, percentile, ratio
from benchmarks.uids import FIRST, study_uid
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from tests.interop.orthanc import orthanc
from tests.running_server import RunningServer

SENDERS = 4
PAGE = 100

#: Queries that are asked before any are counted.
WARM_UP = 20
FILLED = Extent(10_000)

#: Orthanc's own answers are compared as they are by default; filling it is quicker without syncing.
SETTINGS: dict[str, object] = {"SyncStorageArea": False, "StoreMD5ForAttachments": False}

#: By name, the query for a study of this number; how many studies there are allows for pages.
QUERIES: dict[str, Callable[[int, int], str]] = {
    "PatientID": lambda number, _: f"PatientID=PAT{number:08}",
    "AccessionNumber": lambda number, _: f"AccessionNumber=ACC{number:08}",
    "StudyInstanceUID": lambda number, _: f"StudyInstanceUID={study_uid(number)}",
    f"page of {PAGE} studies, the first": lambda *_: f"limit={PAGE}",
    f"page of {PAGE} studies, the middle": lambda _, studies: f"limit={PAGE}&offset={studies // 2}",
}


@dataclass(frozen=True, slots=True)
class Held:
    """A server with its studies, numbered from `first`."""

    path: str
    connection: HTTPConnection
    first: int
    studies: int

    def ask(self, query: Callable[[int, int], str], chance: random.Random) -> Answer:
        number = self.first + chance.randrange(self.studies)
        asked = query(number, self.studies)
        return get(self.connection, f"{self.path}?{asked}", "application/dicom+json")


def fill_orthanc(studies_url: str, seconds: float, most: int) -> int:
    """Store whole studies until the time is up; gives how many."""
    until = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < until:
        numbers = range(done * IMAGES, (done + SENDERS) * IMAGES)
        files = [image(number, size=16) for number in numbers]
        bodies = [store_body(files[at : at + 50]) for at in range(0, len(files), 50)]
        store(studies_url, bodies, SENDERS)
        done += SENDERS
    return done


def measure(ours: Held, theirs: Held, times: int) -> Table:
    table = Table(
        ("query", "p50", "p99", "matches", "KB", "Orthanc p50", "Orthanc p99", "its KB", "Orthanc to us, p50")
    )
    for name, query in QUERIES.items():
        chance = random.Random(7)
        pairs = [(ours.ask(query, chance), theirs.ask(query, chance)) for _ in range(WARM_UP + times)]
        del pairs[:WARM_UP]
        own, other = ([pair[at].milliseconds for pair in pairs] for at in (0, 1))
        answers = [json.loads(answer.body) for answer in pairs[-1]]
        if not all(answers) or len(answers[0]) < len(answers[1]):
            raise RuntimeError(f"{name}: {len(answers[0])} and {len(answers[1])} studies were found")
        table.add(
            name,
            percentile(own, 0.5),
            percentile(own, 0.99),
            len(answers[0]),
            len(pairs[-1][0].body) / 1000,
            percentile(other, 0.5),
            percentile(other, 0.99),
            len(pairs[-1][1].body) / 1000,
            ratio(percentile(other, 0.5), percentile(own, 0.5)),
        )
    return table


def _extent(data: Path) -> Extent:
    catalog = Catalog(CatalogOptions(f"sqlite:///{data / 'kinote.sqlite'}"))
    try:
        return extent_in(catalog)
    finally:
        catalog.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_filled(parser, FILLED)
    parser.add_argument("--orthanc-seconds", type=float, default=120, help="to fill it [default: 120]")
    parser.add_argument("--orthanc-studies", type=int, default=10_000, help="at most [default: 10000]")
    parser.add_argument("--times", type=int, default=300, help="each query [default: 300]")
    options = parser.parse_args(arguments)
    enter_own_network("benchmarks.qido", list(sys.argv[1:] if arguments is None else arguments))
    with temporary_folder(options.folder) as folder:
        describe(folder, "uvicorn", peers=(program_version("Orthanc") + " with its DICOMweb plugin, SQLite",))
        data = filled_data(options, folder)
        extent = _extent(data)
        with orthanc(folder / "orthanc", SETTINGS) as other:
            studies = fill_orthanc(other.studies, options.orthanc_seconds, options.orthanc_studies)
            print(f"Orthanc   {studies} studies, {studies * IMAGES} instances; {json.dumps(SETTINGS)}")
            print(f"Kinote    {extent.studies} studies, {extent.instances} instances")
            kinote = RunningServer(data)
            try:
                ours = Held("/dicomweb/studies", connect(kinote.url), 0, extent.studies)
                theirs = Held("/dicom-web/studies", connect(other.url), FIRST, studies)
                measure(ours, theirs, options.times).show("QIDO-RS over HTTP, in milliseconds")
            finally:
                kinote.stop()


if __name__ == "__main__":
    main()
