"""Writes instances into the index: a group of entries in few statements.

Intake and the object creator both use this, so that every instance is indexed in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, select

from kinote.catalog.instances.completion import complete_studies, describes_anew, describing
from kinote.catalog.instances.differing import OF_SERIES, Difference, differs_from_series, differs_from_study
from kinote.catalog.instances.entry import InstanceEntry, Row
from kinote.catalog.instances.patient_keys import patient_keys
from kinote.catalog.instances.remembered import forget_rows, rows_in_use
from kinote.catalog.instances.study_text import index_study_text
from kinote.catalog.schema.tables import (
    instance,
    instance_bytes,
    instance_metadata,
    instance_pieces,
    series,
    study,
)
from kinote.catalog.sql import statements


@dataclass(frozen=True, slots=True)
class Placed:
    """How an instance is stored: its standing, and its bytes in a store or in the index itself."""

    standing: str
    store: int = 1
    file_key: str | None = None
    dataset_offset: int = 0
    dataset: bytes | None = None
    held_reason: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether its UID means this instance from now on. A held copy exists beside the instance that it means."""
        return self.standing != "held"


@dataclass(frozen=True, slots=True)
class InsertedInstance:
    """The keys of an inserted instance."""

    instance: int
    study: int
    series: int
    #: Whether its arrival has shown that the study belongs to another patient than was known.
    tells_patient: bool = False
    #: How it contradicts its study and series. Empty for held copies.
    differences: tuple[Difference, ...] = ()


def insert_entries(
    transaction: Connection, placed: Sequence[tuple[InstanceEntry, Placed]]
) -> list[InsertedInstance]:
    """Insert a group of instances, and return their keys in the same order."""
    studies, told = _studies(transaction, placed)
    series_rows = _series(transaction, placed, {uid: int(row["id"]) for uid, row in studies.items()})
    known = [
        (study_row, series_rows[study_row["id"], entry.series_instance_uid])
        for entry, _ in placed
        for study_row in (studies[entry.study_instance_uid],)
    ]
    places = [(study_row["id"], series_row["id"]) for study_row, series_row in known]
    inserted = _insert_instances(transaction, placed, places)
    for at, ((entry, place), (study_row, series_row)) in enumerate(zip(placed, known, strict=True)):
        tells_patient = entry.study_instance_uid in told
        differences = _differences(entry, study_row, series_row) if place.is_current else ()
        if tells_patient or differences:
            inserted[at] = replace(inserted[at], tells_patient=tells_patient, differences=differences)
    return inserted


def _differences(
    entry: InstanceEntry, study_row: Mapping[str, Any], series_row: Mapping[str, Any]
) -> tuple[Difference, ...]:
    return differs_from_study(entry.study_row, study_row) + differs_from_series(entry.series_row, series_row)


def insert_with_series(
    transaction: Connection, placed: Sequence[tuple[InstanceEntry, Placed]], studies: Mapping[str, int]
) -> list[InsertedInstance]:
    """Insert live instances each of which has a new series of its own, and return their keys.

    Their studies exist; `studies` has the keys by UID. The series are inserted with their count.
    """
    keys = statements.reserve_ids(transaction, series, len(placed))
    places = [(studies[entry.study_instance_uid], key) for key, (entry, _) in zip(keys, placed, strict=True)]
    rows = [
        {**entry.series_row, "id": series_key, "study": study_key, "instance_count": 1}
        for (study_key, series_key), (entry, _) in zip(places, placed, strict=True)
    ]
    statements.insert_rows(transaction, series, rows)
    return _insert_instances(transaction, placed, places)


def describe_series(transaction: Connection, described: Mapping[int, InstanceEntry]) -> None:
    """Let entries describe series, given by key, that have no live instance."""
    forget_rows(transaction)
    _describe_series(
        transaction,
        [
            {"key": key, **{f"new_{name}": entry.series_row[name] for name in _OF_SERIES}}
            for key, entry in described.items()
        ],
    )


def _insert_instances(
    transaction: Connection,
    placed: Sequence[tuple[InstanceEntry, Placed]],
    places: Sequence[tuple[int, int]],
) -> list[InsertedInstance]:
    """Insert the instances. `places` are their (study, series) keys."""
    keys = statements.reserve_ids(transaction, instance, len(placed))
    inserted = []
    rows: list[Row] = []
    described: list[Row] = []
    datasets: list[Row] = []
    pieces: list[Row] = []
    for key, (study_key, series_key), (entry, place) in zip(keys, places, placed, strict=True):
        inserted.append(InsertedInstance(key, study_key, series_key))
        rows.append(
            {
                **entry.instance_row,
                "id": key,
                "study": study_key,
                "series": series_key,
                "standing": place.standing,
                "store": place.store,
                "file_key": place.file_key,
                "dataset_offset": place.dataset_offset,
                "held_reason": place.held_reason,
                "is_current": place.is_current,
            }
        )
        if entry.metadata is not None:
            described.append({"instance": key, "json": entry.metadata})
        if entry.digest.pieces:
            pieces.append({"instance": key, "digests": entry.digest.pieces})
        if place.dataset is not None:
            datasets.append({"instance": key, "dataset": place.dataset})
    statements.insert_rows(transaction, instance, rows)
    statements.insert_rows(transaction, instance_metadata, described)
    statements.insert_rows(transaction, instance_pieces, pieces)
    statements.insert_rows(transaction, instance_bytes, datasets)
    return inserted


def _studies(
    transaction: Connection, placed: Iterable[tuple[InstanceEntry, Placed]]
) -> tuple[dict[str, Mapping[str, Any]], set[str]]:
    """Return the rows of the entries' studies by UID, inserted if new, completed if they have gaps.

    Also returns the UIDs of studies that belong to another patient now.
    """
    by_uid = describing(_with_standing(placed), lambda entry: entry.study_instance_uid)
    remembered = rows_in_use(transaction).studies
    known = {uid: remembered[uid] for uid in by_uid if uid in remembered}
    for row in _known_studies(transaction, by_uid.keys() - known.keys()):
        known[row["study_instance_uid"]] = row
    # In key order, as everywhere: two writers that meet the same new studies cannot deadlock.
    new = [by_uid[uid].entries[0] for uid in sorted(by_uid) if uid not in known]
    if new:
        patients = patient_keys(
            transaction, [(entry.patient_id, entry.issuer_of_patient_id) for entry in new]
        )
        rows = [{**entry.study_row, "patient": key} for entry, key in zip(new, patients, strict=True)]
        made = [row._asdict() for row in _insert_studies(transaction, rows)]
        index_study_text(transaction, made)
        known |= {row["study_instance_uid"]: row for row in made}
    completed, told = complete_studies(
        transaction, [(known[uid], described) for uid, described in by_uid.items()]
    )
    known |= {row["study_instance_uid"]: row for row in completed}
    remembered.update((uid, row) for uid, row in known.items() if row["instance_count"])
    return known, told


def _with_standing(placed: Iterable[tuple[InstanceEntry, Placed]]) -> Iterator[tuple[InstanceEntry, str]]:
    return ((entry, place.standing) for entry, place in placed)


def _known_studies(transaction: Connection, study_uids: Iterable[str]) -> list[Mapping[str, Any]]:
    return [row._asdict() for row in _studies_by_uid(transaction, study_uids)]


_studies_by_uid = statements.LookUp(select(study), study.c.study_instance_uid)

_insert_studies = statements.InsertNew(
    study, unique=["study_instance_uid"], look_up=_studies_by_uid, by="study_instance_uid"
)


def _series(
    transaction: Connection, placed: Iterable[tuple[InstanceEntry, Placed]], studies: Mapping[str, int]
) -> dict[tuple[int, str], Mapping[str, Any]]:
    """Return the rows of the entries' series by study and UID, with the columns in which others may differ.

    New series are inserted. The first live instance describes them.
    """
    wanted = describing(
        _with_standing(placed), lambda entry: (studies[entry.study_instance_uid], entry.series_instance_uid)
    )
    remembered = rows_in_use(transaction).series
    known = {place: remembered[place] for place in wanted if place in remembered}
    known |= _of_places(_series_by_uid(transaction, {uid for _, uid in wanted.keys() - known.keys()}), wanted)
    anew = [
        {
            "key": known[place]["id"],
            **{f"new_{name}": described.entries[0].series_row[name] for name in _OF_SERIES},
        }
        for place, described in wanted.items()
        if place in known and describes_anew(known[place]["instance_count"], described.standing)
    ]
    now = {row["key"]: {"id": row["key"], **{name: row[f"new_{name}"] for name in OF_SERIES}} for row in anew}
    _describe_series(transaction, sorted(anew, key=lambda row: row["key"]))
    rows = [
        {**wanted[place].entries[0].series_row, "study": place[0]}
        for place in sorted(wanted)
        if place not in known
    ]
    if rows:
        known |= _of_places(_insert_series(transaction, rows), wanted)
    remembered.update((place, row) for place, row in known.items() if row["instance_count"])
    return {place: now.get(row["id"], row) for place, row in known.items()}


def _of_places(
    rows: Iterable[Any], wanted: Collection[tuple[int, str]]
) -> dict[tuple[int, str], Mapping[str, Any]]:
    """Return the rows of wanted series. The same UID may mean series of several studies."""
    return {place: row._asdict() for row in rows if (place := (row.study, row.series_instance_uid)) in wanted}


_series_by_uid = statements.LookUp(
    select(
        series.c.study,
        series.c.series_instance_uid,
        series.c.id,
        series.c.instance_count,
        *(series.c[name] for name in OF_SERIES),
    ),
    series.c.series_instance_uid,
)

_insert_series = statements.InsertNew(
    series, unique=["study", "series_instance_uid"], look_up=_series_by_uid, by="series_instance_uid"
)

#: The columns of a series row that come from the data set.
_OF_SERIES = (
    "modality",
    "series_number",
    "series_description",
    "body_part_examined",
    "performed_procedure_step_start_date",
    "performed_procedure_step_start_time",
    "scheduled_procedure_step_id",
    "requested_procedure_id",
    "attributes",
)

_describe_series = statements.ForEach(
    series.update()
    .where(series.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in _OF_SERIES})
)
