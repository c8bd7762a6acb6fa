"""Measure the matching engine in process: what QIDO-RS and C-FIND wait for, without a network.

    python -m benchmarks.query DATA

DATA is a data directory that `benchmarks.fill` has filled, or the address of a database. Prints milliseconds:
median, 95th and 99th percentile, worst; and the median of the processor's time alone, which other programs
disturb less.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.subjects import SURNAMES
from benchmarks.table import Table, percentile
from benchmarks.uids import image_uid, study_uid
from kinote.catalog.queries.matching import ALL, Query, search
from kinote.catalog.queries.matching_keys import Level, path_of
from kinote.catalog.schema.tables import study
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions

Ask = Callable[[random.Random, int], Query]

_EVIDENCE = "CurrentRequestedProcedureEvidenceSequence.ReferencedSeriesSequence.ReferencedSOPSequence"


def by(level: Level, **keys: Callable[[random.Random, int], str]) -> Ask:
    """A query by keys whose values are drawn anew each time."""

    def ask(chance: random.Random, studies: int) -> Query:
        number = chance.randrange(studies)
        values = {path_of(name.replace("__", ".")): draw(chance, number) for name, draw in keys.items()}
        return Query(level, keys=values)

    return ask


def in_study(level: Level, *, everything: bool = False) -> Ask:
    def ask(chance: random.Random, studies: int) -> Query:
        uid = study_uid(chance.randrange(studies))
        return Query(level, study_instance_uid=uid, include=ALL if everything else frozenset())

    return ask


def page(offset: int) -> Ask:
    return lambda _chance, _studies: Query(Level.STUDY, limit=100, offset=offset)


QUERIES: dict[str, Ask] = {
    "PatientID": by(Level.STUDY, PatientID=lambda _, number: f"PAT{number:08}"),
    "AccessionNumber": by(Level.STUDY, AccessionNumber=lambda _, number: f"ACC{number:08}"),
    "StudyInstanceUID": by(Level.STUDY, StudyInstanceUID=lambda _, number: study_uid(number)),
    "StudyDate, one day": by(Level.STUDY, StudyDate=lambda chance, _: f"2024{chance.randint(1, 12):02}11"),
    "StudyDate, a range": by(Level.STUDY, StudyDate=lambda *_: "20210101-20230601"),
    "PatientName SMI*": by(
        Level.STUDY, PatientName=lambda chance, _: chance.choice(SURNAMES)[:3].upper() + "*"
    ),
    "PatientName *42*": by(Level.STUDY, PatientName=lambda *_: "*0042*"),
    "ModalitiesInStudy=CT": by(Level.STUDY, ModalitiesInStudy=lambda *_: "CT"),
    "ModalitiesInStudy=MR (none)": by(Level.STUDY, ModalitiesInStudy=lambda *_: "MR"),
    "studies, first page": page(0),
    "studies, page at 5000": page(5000),
    "series of a study": in_study(Level.SERIES),
    "instances of a study": in_study(Level.INSTANCE),
    "instances, whole headers": in_study(Level.INSTANCE, everything=True),
    "series?Modality=KO": by(Level.SERIES, Modality=lambda *_: "KO"),
    "instances?SOPInstanceUID": by(Level.INSTANCE, SOPInstanceUID=lambda _, number: image_uid(number, 7)),
    "instances by title": by(Level.INSTANCE, ConceptNameCodeSequence__CodeValue=lambda *_: "113000"),
    "key objects of an image": by(
        Level.INSTANCE,
        **{f"{_EVIDENCE}.ReferencedSOPInstanceUID": lambda _, number: image_uid(number, 1)},
    ),
    "key objects by description": by(
        Level.INSTANCE, ContentSequence__TextValue=lambda _, number: f"study {number}"
    ),
    "key objects of a patient": by(
        Level.INSTANCE,
        PatientID=lambda _, number: f"PAT{number:08}",
        Modality=lambda *_: "KO",
    ),
}


def measure(catalog: Catalog, ask: Ask, studies: int, times: int) -> tuple[list[float], list[float], int]:
    """Of as many queries, their answers written out: sorted milliseconds by the clock and of the processor;
    and how many matches there were."""
    chance = random.Random(7)
    taken, busy = [], []
    matches = 0
    for _ in range(times):
        query = ask(chance, studies)
        begun, worked = time.perf_counter(), time.thread_time()
        with catalog.read() as connection:
            answers = search(connection, query)
        for answer in answers:
            answer.json("http://127.0.0.1:8080/dicomweb/studies/" + answer.study_instance_uid)
        taken.append((time.perf_counter() - begun) * 1000)
        busy.append((time.thread_time() - worked) * 1000)
        matches += len(answers)
    return sorted(taken), sorted(busy), matches


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", help="a data directory, or the address of a database")
    parser.add_argument("--times", type=int, default=300)
    options = parser.parse_args(arguments)
    url = options.where if "://" in options.where else f"sqlite:///{Path(options.where) / 'kinote.sqlite'}"
    catalog = Catalog(CatalogOptions(url))
    with catalog.read() as connection:
        studies = connection.execute(select(func.count()).select_from(study)).scalar_one()
    table = Table(("query", "p50", "p95", "p99", "worst", "cpu", "matches"))
    for name, ask in QUERIES.items():
        taken, busy, matches = measure(catalog, ask, studies, options.times)
        marks = [percentile(taken, part) for part in (0.5, 0.95, 0.99, 1)]
        table.add(name, *marks, percentile(busy, 0.5), matches / options.times)
    catalog.close()
    table.show(f"The matching engine on {studies} studies, in milliseconds")


if __name__ == "__main__":
    main()
