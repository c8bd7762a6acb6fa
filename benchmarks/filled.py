"""The filled data directory that a measurement is taken on: filled for it, or filled before by `benchmarks.fill`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.fill import Extent, add_extent, extent_of, filled_directory
from benchmarks.machine import add_folder
from benchmarks.subjects import CT
from benchmarks.uids import study_uid
from kinote.catalog.schema.tables import instance, note, study
from kinote.catalog.transactions.catalog import Catalog


def add_filled(parser: argparse.ArgumentParser, extent: Extent) -> None:
    """Options that say where the data are, or how much is filled in, and where, if there are none."""
    parser.add_argument("--data", type=Path, help="a data directory that benchmarks.fill has filled")
    add_extent(parser, extent)
    add_folder(parser)


def filled_data(options: argparse.Namespace, folder: Path) -> Path:
    """The data directory of the options, or one filled anew in a folder."""
    return options.data or filled_directory(folder / "data", extent_of(options))


def extent_in(catalog: Catalog) -> Extent:
    """What `benchmarks.fill` has filled in, and notes added since."""
    images = (
        select(func.count())
        .select_from(instance.join(study, study.c.id == instance.c.study))
        .where(study.c.study_instance_uid == study_uid(0), instance.c.sop_class_uid == CT)
    )
    with catalog.read() as connection:
        studies, notes = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (study, note)
        )
        return Extent(studies, notes, connection.execute(images).scalar_one())
