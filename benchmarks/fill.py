"""Fill a catalog with studies and notes, fast: what the other measurements are taken on.

    python -m benchmarks.fill DATA --studies 10000
    python -m benchmarks.fill DATA --studies 100000 --images 10 --notes 1000000

Rows go in by the driver's bulk statements, a batch of studies in each transaction. Every study has its
images (100 unless said otherwise) in two series; every note has two references and a key object in its
study's third series, made when it is first needed. Both are a million images; the second also a million
notes, ten to a study.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, select

from benchmarks.bulk_rows import pour
from benchmarks.subjects import CT, IMAGES, KOS, SURNAMES
from benchmarks.uids import IN_ORDER, SCATTERED, Naming
from kinote.catalog.columns import attribute_lines
from kinote.catalog.columns.attribute_lines import line
from kinote.catalog.instances.study_text import index_study_text
from kinote.catalog.schema.tables import (
    instance,
    instance_metadata,
    key_object,
    note,
    note_reference,
    note_study,
    note_version,
    patient,
    series,
    study,
)
from kinote.catalog.sql.text_grams import fold, grams
from kinote.catalog.sql.text_index import NOTE_TEXT
from kinote.catalog.transactions.catalog import Catalog, CatalogOptions
from kinote.dicom.dictionary import tags
from kinote.storage.directory.data_directory import DataDirectory

#: Instances of a transaction, about.
AT_ONCE = 10_000
NOW = "2026-11-24T12:00:00+00:00"
TITLES = (("113000", "Of Interest"), ("113002", "For Referring Provider"), ("113004", "For Teaching"))

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is filled in: studies, images of each (an even number), notes of all together; how it is named."""

    studies: int
    notes: int = 0
    images: int = IMAGES
    naming: Naming = IN_ORDER

    @property
    def instances(self) -> int:
        """All instances: every note has one key object."""
        return self.studies * self.images + self.notes

    @property
    def studies_at_once(self) -> int:
        return max(AT_ONCE * self.studies // max(self.instances, 1), 1)

    def notes_of(self, number: int) -> int:
        """Notes of one study: as many as of every other, give or take one."""
        return self.notes // self.studies + (number < self.notes % self.studies)


def fill(catalog: Catalog, extent: Extent) -> Iterator[int]:
    """Fill an empty catalog; gives the number of studies done after each batch."""
    for first in range(0, extent.studies, extent.studies_at_once):
        numbers = range(first, min(first + extent.studies_at_once, extent.studies))
        catalog.write(partial(_fill, numbers=numbers, extent=extent))
        yield numbers.stop


def filled(catalog: Catalog, extent: Extent) -> float:
    """Fill an empty catalog; gives the seconds it took."""
    begun = time.perf_counter()
    for done in fill(catalog, extent):
        if sys.stderr.isatty():
            print(f"\r{done} of {extent.studies} studies filled in", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return time.perf_counter() - begun


def _fill(transaction: Connection, numbers: range, extent: Extent) -> None:
    keys = {table.name: _next(transaction, table) for table in (patient, study, series, instance, note)}
    keys["note_version"] = _next(transaction, note_version)
    batch: dict[Table, list[Row]] = {
        table: []
        for table in (
            patient,
            study,
            series,
            instance,
            instance_metadata,
            note,
            note_version,
            note_reference,
            note_study,
            key_object,
        )
    }
    texts: list[tuple[int, str, list[str]]] = []
    for number in numbers:
        _add_study(batch, keys, number, extent, texts)
    for table, rows in batch.items():
        pour(transaction, table, rows)
    index_study_text(transaction, batch[study])
    NOTE_TEXT.fill(transaction, texts)


def _next(transaction: Connection, table: Table) -> int:
    return int(transaction.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()) + 1


def _take(keys: dict[str, int], table: Table) -> int:
    keys[table.name] += 1
    return keys[table.name] - 1


def _add_study(
    batch: dict[Table, list[Row]],
    keys: dict[str, int],
    number: int,
    extent: Extent,
    texts: list[tuple[int, str, list[str]]],
) -> None:
    notes, half, naming = extent.notes_of(number), extent.images // 2, extent.naming
    patient_key, study_key = _take(keys, patient), _take(keys, study)
    name = f"{SURNAMES[number % len(SURNAMES)]}^Given{number:06}"
    day = f"20{20 + number % 7:02}{1 + number // 7 % 12:02}{1 + number // 84 % 28:02}"
    described = {
        "patient_id": f"PAT{number:08}",
        "patient_name_alphabetic": name.casefold(),
        "patient_name_ideographic": "",
        "patient_name_phonetic": "",
        "accession_number": f"ACC{number:08}",
        "study_date": day,
        "study_description": f"CT Thorax {number % 50}",
    }
    batch[patient].append({"id": patient_key, "patient_id": described["patient_id"], "issuer": ""})
    batch[study].append(
        {
            "id": study_key,
            "study_instance_uid": naming.study(number),
            "patient": patient_key,
            **described,
            "attributes": attribute_lines.join(
                (
                    line(tags.STUDY_DATE, "DA", day),
                    line(tags.STUDY_TIME, "TM", "101530"),
                    line(tags.ACCESSION_NUMBER, "SH", described["accession_number"]),
                    line(tags.REFERRING_PHYSICIAN_NAME, "PN", {"Alphabetic": "Application^Gregory"}),
                    line(tags.STUDY_DESCRIPTION, "LO", described["study_description"]),
                    line(tags.PATIENT_NAME, "PN", {"Alphabetic": name}),
                    line(tags.PATIENT_ID, "LO", described["patient_id"]),
                    line(tags.PATIENT_BIRTH_DATE, "DA", "19600101"),
                    line(tags.PATIENT_SEX, "CS", "O"),
                    line(tags.STUDY_ID, "SH", str(number)),
                )
            ),
            "series_count": 3 if notes else 2,
            "instance_count": 2 * half + notes,
            "received_at": NOW,
        }
    )
    for position in range(2):
        uid = naming.series(number, position)
        series_key = _add_series(batch, keys, study_key, uid, position, "CT", half)
        for at in range(position * half, (position + 1) * half):
            _add_instance(batch, keys, study_key, series_key, naming.image(number, at), CT, at + 1)
    if notes:
        series_key = _add_series(batch, keys, study_key, naming.series(number, 2), 2, "KO", notes)
        for at in range(notes):
            _add_note(batch, keys, (study_key, series_key), number, at, extent, texts)


def _add_series(
    batch: dict[Table, list[Row]],
    keys: dict[str, int],
    study_key: int,
    uid: str,
    position: int,
    modality: str,
    count: int,
) -> int:
    key = _take(keys, series)
    batch[series].append(
        {
            "id": key,
            "study": study_key,
            "series_instance_uid": uid,
            "modality": modality,
            "series_number": position + 1,
            "attributes": attribute_lines.join(
                (
                    line(tags.MODALITY, "CS", modality),
                    line(tags.MANUFACTURER, "LO", "Kinote"),
                    line(tags.SERIES_DESCRIPTION, "LO", f"series {position}"),
                    line(tags.SERIES_NUMBER, "IS", position + 1),
                )
            ),
            "instance_count": count,
        }
    )
    return key


_METADATA = zlib.compress(
    attribute_lines.join(line(tag, "LO", str(tag)) for tag in range(0x00191000, 0x00191040)).encode(), 1
)


@cache
def _image_attributes(number: int) -> str:
    return attribute_lines.join(
        (
            line(tags.INSTANCE_NUMBER, "IS", number),
            line(tags.ROWS, "US", 512),
            line(tags.COLUMNS, "US", 512),
            line(tags.BITS_ALLOCATED, "US", 16),
        )
    )


def _add_instance(
    batch: dict[Table, list[Row]],
    keys: dict[str, int],
    study_key: int,
    series_key: int,
    uid: str,
    class_uid: str,
    number: int,
    title: tuple[str, str] = ("", ""),
) -> int:
    key = _take(keys, instance)
    image = not title[0]
    batch[instance].append(
        {
            "id": key,
            "study": study_key,
            "series": series_key,
            "sop_instance_uid": uid,
            "sop_class_uid": class_uid,
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "standing": "live",
            "residence": "local" if image else "derivable",
            "digest": f"{key:064x}",
            "size": 525_000 if image else 3_000,
            "file_key": f"{key:x}" if image else None,
            "instance_number": number,
            "frames": None,
            "pixel_rows": 512 if image else None,
            "pixel_columns": 512 if image else None,
            "concept_scheme": "" if image else "DCM",
            "concept_value": title[0],
            "concept_meaning": title[1],
            "attributes": _image_attributes(number),
            "received_at": NOW,
            "received_from": "fill",
        }
    )
    batch[instance_metadata].append({"instance": key, "json": _METADATA})
    return key


def _add_note(
    batch: dict[Table, list[Row]],
    keys: dict[str, int],
    place: tuple[int, int],
    number: int,
    at: int,
    extent: Extent,
    texts: list[tuple[int, str, list[str]]],
) -> None:
    naming, half = extent.naming, extent.images // 2
    note_key, version = _take(keys, note), _take(keys, note_version)
    title = TITLES[at % len(TITLES)]
    description = f"Nodule {at} of study {number}"
    batch[note].append({"id": note_key, "origin": "migrated"})
    batch[note_version].append(
        {
            "id": version,
            "note": note_key,
            "number": 1,
            "is_current": True,
            "title_scheme": "DCM",
            "title_value": title[0],
            "title_meaning": title[1],
            "title_group": "clinical",
            "description": description,
            "language": "",
            "author_kind": "person",
            "author_name": f"Reader^{number % 40}",
            "author_normal": f"reader^{number % 40}",
            "author_login": f"reader{number % 40}",
            "author_verified": False,
            "created": NOW,
            "registered_at": NOW,
            "fingerprint": f"{note_key:064x}",
            "references_from": "content",
        }
    )
    for position in range(2):
        batch[note_reference].append(
            {
                "version": version,
                "position": position,
                "study_instance_uid": naming.study(number),
                "series_instance_uid": naming.series(number, 0),
                "sop_class_uid": CT,
                "sop_instance_uid": naming.image(number, (at + position) % half),
            }
        )
    batch[note_study].append(
        {"study_instance_uid": naming.study(number), "version": version, "flags_there": True}
    )
    key = _add_instance(batch, keys, *place, naming.made(number, at), KOS, at + 1, title)
    batch[key_object].append({"instance": key, "registration": "registered", "version": version})
    folded = fold(description)
    texts.append((note_key, folded, grams(folded)))


def filled_directory(data: Path, extent: Extent) -> Path:
    """Fill the index of a new data directory, and say how long it took."""
    directory = DataDirectory(data)
    fill_index(directory.index_url, extent)
    directory.close()
    return data


def fill_index(url: str, extent: Extent) -> None:
    """Fill an empty index, and say how long it took."""
    catalog = Catalog(CatalogOptions(url))
    seconds = filled(catalog, extent)
    catalog.close()
    print(f"fill      {seconds:.0f} s: {extent.instances} instances, {extent.notes} notes", end="; ")
    print(f"{extent.instances / seconds:.0f} instances a second", flush=True)


def add_extent(parser: argparse.ArgumentParser, extent: Extent) -> None:
    """Options that say how much is filled in, with what is filled in otherwise."""
    for name, value in (("studies", extent.studies), ("images", extent.images), ("notes", extent.notes)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"[default: {value}]")


def extent_of(options: argparse.Namespace, naming: Naming = IN_ORDER) -> Extent:
    return Extent(options.studies, options.notes, options.images, naming)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", help="a data directory that is not there yet, or the address of a database")
    add_extent(parser, Extent(10_000))
    parser.add_argument(
        "--scattered", action="store_true", help="UIDs as if drawn by chance, for benchmarks.filing"
    )
    options = parser.parse_args(arguments)
    extent = extent_of(options, SCATTERED if options.scattered else IN_ORDER)
    if "://" in options.where:
        fill_index(options.where, extent)
        return
    if Path(options.where).exists():
        parser.error(f"{options.where} exists already")
    filled_directory(Path(options.where), extent)


if __name__ == "__main__":
    main()
