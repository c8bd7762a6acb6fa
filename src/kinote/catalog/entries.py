"""Putting instances into the index: a group of entries in few statements.

Intake and the object creator both come through here, so that an instance is indexed in one way whoever
made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, tuple_

from kinote.catalog import statements
from kinote.catalog.completion import complete_studies
from kinote.catalog.entry import InstanceEntry, Row
from kinote.catalog.study_text import index_study_text
from kinote.catalog.tables import instance, instance_bytes, instance_metadata, patient, series, study


@dataclass(frozen=True, slots=True)
class Placed:
    """How an instance comes to lie: its standing, and its bytes in a stored file or in the index itself."""

    standing: str
    file_key: str | None = None
    dataset_offset: int = 0
    dataset: bytes | None = None
    held_reason: str | None = None


@dataclass(frozen=True, slots=True)
class InsertedInstance:
    """The keys an instance got."""

    instance: int
    study: int
    series: int


def insert_entries(
    transaction: Connection, placed: Sequence[tuple[InstanceEntry, Placed]]
) -> list[InsertedInstance]:
    """Put a group of instances into the index; gives their keys in the same order."""
    entries = [entry for entry, _ in placed]
    studies = _studies(transaction, entries)
    series_keys = _series(transaction, entries, studies)
    places = [
        (study_key, series_keys[study_key, entry.series_instance_uid])
        for entry in entries
        for study_key in (studies[entry.study_instance_uid],)
    ]
    return _insert_instances(transaction, placed, places)


def insert_with_series(
    transaction: Connection, placed: Sequence[tuple[InstanceEntry, Placed]], studies: Mapping[str, int]
) -> list[InsertedInstance]:
    """The same for live instances each of which comes with a new series of its own.

    Of their studies the keys are known by UID. The series are written with their count.
    """
    keys = statements.reserve_ids(transaction, series, len(placed))
    places = [(studies[entry.study_instance_uid], key) for key, (entry, _) in zip(keys, placed, strict=True)]
    rows = [
        {**entry.series_row, "id": series_key, "study": study_key, "instance_count": 1}
        for (study_key, series_key), (entry, _) in zip(places, placed, strict=True)
    ]
    statements.insert_rows(transaction, series, rows)
    return _insert_instances(transaction, placed, places)


def _insert_instances(
    transaction: Connection,
    placed: Sequence[tuple[InstanceEntry, Placed]],
    places: Sequence[tuple[int, int]],
) -> list[InsertedInstance]:
    """Write the instances, whose (study, series) keys are `places`."""
    keys = statements.reserve_ids(transaction, instance, len(placed))
    inserted = []
    rows: list[Row] = []
    described: list[Row] = []
    datasets: list[Row] = []
    for key, (study_key, series_key), (entry, place) in zip(keys, places, placed, strict=True):
        inserted.append(InsertedInstance(key, study_key, series_key))
        rows.append(
            {
                **entry.instance_row,
                "id": key,
                "study": study_key,
                "series": series_key,
                "standing": place.standing,
                "file_key": place.file_key,
                "dataset_offset": place.dataset_offset,
                "held_reason": place.held_reason,
            }
        )
        described.append({"instance": key, "json": entry.metadata})
        if place.dataset is not None:
            datasets.append({"instance": key, "dataset": place.dataset})
    statements.insert_rows(transaction, instance, rows)
    statements.insert_rows(transaction, instance_metadata, described)
    statements.insert_rows(transaction, instance_bytes, datasets)
    return inserted


def _studies(transaction: Connection, entries: Iterable[InstanceEntry]) -> dict[str, int]:
    """The keys of the entries' studies, made where they are new, completed where they have gaps."""
    by_uid: dict[str, InstanceEntry] = {}
    for entry in entries:
        by_uid.setdefault(entry.study_instance_uid, entry)
    known = {row["study_instance_uid"]: row for row in _known_studies(transaction, by_uid)}
    # In key order, as always: two writers that meet the same new studies cannot deadlock.
    new = [by_uid[uid] for uid in sorted(by_uid) if uid not in known]
    if new:
        patients = _patients(transaction, new)
        rows = [{**entry.study_row, "patient": patients[entry.study_instance_uid]} for entry in new]
        statements.insert_new(transaction, study, rows, unique=["study_instance_uid"])
        made = _known_studies(transaction, [entry.study_instance_uid for entry in new])
        index_study_text(transaction, made)
        known |= {row["study_instance_uid"]: row for row in made}
    complete_studies(transaction, [(known[uid], entry) for uid, entry in by_uid.items()])
    return {uid: int(row["id"]) for uid, row in known.items()}


def _known_studies(transaction: Connection, study_uids: Iterable[str]) -> list[Mapping[str, Any]]:
    return [row._asdict() for row in _studies_by_uid(transaction, study_uids)]


_studies_by_uid = statements.LookUp(select(study), study.c.study_instance_uid)


def _patients(transaction: Connection, entries: Sequence[InstanceEntry]) -> dict[str, int]:
    """The patient's key by Study Instance UID; a patient without an ID is known by its study alone."""
    named = sorted({(entry.patient_id, entry.issuer_of_patient_id) for entry in entries if entry.patient_id})
    statements.insert_new(
        transaction,
        patient,
        [{"patient_id": patient_id, "issuer": issuer} for patient_id, issuer in named],
        unique=["patient_id", "issuer"],
        unique_where="patient_id <> ''",
    )
    found: dict[tuple[str, str], int] = {}
    if named:
        for row in transaction.execute(
            select(patient.c.patient_id, patient.c.issuer, patient.c.id, patient.c.merged_into).where(
                tuple_(patient.c.patient_id, patient.c.issuer).in_(named)
            )
        ):
            found[row.patient_id, row.issuer] = row.merged_into or row.id
    keys = {}
    for entry in entries:
        if entry.patient_id:
            keys[entry.study_instance_uid] = found[entry.patient_id, entry.issuer_of_patient_id]
        else:
            keys[entry.study_instance_uid] = transaction.execute(
                patient.insert().returning(patient.c.id), {"patient_id": "", "issuer": ""}
            ).scalar_one()
    return keys


def _series(
    transaction: Connection, entries: Iterable[InstanceEntry], studies: Mapping[str, int]
) -> dict[tuple[int, str], int]:
    wanted: dict[tuple[int, str], Row] = {}
    for entry in entries:
        wanted.setdefault((studies[entry.study_instance_uid], entry.series_instance_uid), entry.series_row)
    known = _known_series(transaction, wanted)
    rows = [{**wanted[place], "study": place[0]} for place in sorted(wanted) if place not in known]
    if rows:
        statements.insert_new(transaction, series, rows, unique=["study", "series_instance_uid"])
        known = _known_series(transaction, wanted)
    return known


def _known_series(transaction: Connection, places: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    wanted = set(places)
    return {
        place: row.id
        for row in _series_by_uid(transaction, {uid for _, uid in wanted})
        if (place := (row.study, row.series_instance_uid)) in wanted
    }


_series_by_uid = statements.LookUp(
    select(series.c.study, series.c.series_instance_uid, series.c.id), series.c.series_instance_uid
)
