"""Lists of holds, and what each keeps now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, text, union

from kinote.catalog.schema.tables import (
    hold,
    instance,
    key_object,
    note_reference,
    note_version,
    patient,
    study,
)
from kinote.catalog.schema.tables.retention import HOLD_IS_OPEN
from kinote.catalog.sql import statements
from kinote.lifecycle.holds.hold import Hold, HoldLevel


@dataclass(frozen=True, slots=True)
class Kept:
    """What a hold keeps now: copies of instances with their bytes, and how many of these are out of use."""

    studies: int
    instances: int
    withdrawn: int
    bytes: int


def page_of_holds(connection: Connection, *, with_ended: bool, before: int | None, limit: int) -> list[Hold]:
    """Return holds, the latest first; ended ones only on request."""
    query = select(hold).order_by(hold.c.id.desc()).limit(limit)
    if not with_ended:
        query = query.where(text(HOLD_IS_OPEN))
    if before is not None:
        query = query.where(hold.c.id < before)
    return [Hold.of(row) for row in connection.execute(query)]


def kept_by(connection: Connection, one: Hold) -> Kept:
    """Return what a hold keeps, in force or not. A patient with many studies takes a while."""
    counted = (
        _of_note(connection, one)
        if one.thing.level is HoldLevel.NOTE
        else _of_studies(connection, _studies(connection, one))
    )
    return Kept(*counted)


def _studies(connection: Connection, one: Hold) -> list[int]:
    thing = one.thing
    if thing.level is HoldLevel.STUDY:
        query: Select[Any] = select(study.c.id).where(study.c.study_instance_uid == thing.study_instance_uid)
        return list(connection.execute(query).scalars())
    named = connection.execute(
        select(patient.c.id, patient.c.merged_into).where(
            patient.c.patient_id == thing.patient_id,
            patient.c.issuer == thing.issuer,
            # Repeats the WHERE clause of the index.
            patient.c.patient_id != literal_column("''"),
        )
    ).one_or_none()
    if named is None:
        return []
    root = named.merged_into or named.id
    merged = connection.execute(select(patient.c.id).where(patient.c.merged_into == root)).scalars()
    return [row.id for row in _FILED_UNDER(connection, sorted({root, named.id, *merged}))]


_FILED_UNDER = statements.LookUp(select(study.c.id), study.c.patient)


_HAS_BYTES: ColumnElement[bool] = instance.c.residence != literal_column("'none'")

_BY_STUDY = statements.LookUp(
    select(
        instance.c.study,
        instance.c.standing,
        func.count().label("number"),
        func.sum(func.coalesce(instance.c.size, 0)).label("bytes"),
    )
    .where(_HAS_BYTES)
    .group_by(instance.c.study, instance.c.standing),
    instance.c.study,
)


def _of_studies(connection: Connection, studies: Sequence[int]) -> tuple[int, int, int, int]:
    rows = _BY_STUDY(connection, studies)
    return (
        len({row.study for row in rows}),
        sum(row.number for row in rows),
        sum(row.number for row in rows if row.standing == "withdrawn"),
        int(sum(row.bytes for row in rows)),
    )


def _of_note(connection: Connection, one: Hold) -> tuple[int, int, int, int]:
    version = note_version.c.note == one.thing.note
    named = [
        select(instance.c.id)
        .select_from(note_version)
        .join(note_reference, note_reference.c.version == note_version.c.id)
        .join(instance, instance.c.sop_instance_uid == column)
        .where(version, _HAS_BYTES, instance.c.is_current)
        for column in (note_reference.c.sop_instance_uid, note_reference.c.presentation_state_uid)
    ]
    documents = (
        select(instance.c.id)
        .join(key_object, key_object.c.instance == instance.c.id)
        .join(note_version, note_version.c.id == key_object.c.version)
        .where(version, _HAS_BYTES)
    )
    keys = list(connection.execute(union(*named, documents)).scalars())
    rows = _ONE_BY_ONE(connection, keys)
    return (
        len({row.study for row in rows}),
        len(rows),
        sum(row.standing == "withdrawn" for row in rows),
        sum(row.size or 0 for row in rows),
    )


_ONE_BY_ONE = statements.LookUp(
    select(instance.c.id, instance.c.study, instance.c.standing, instance.c.size), instance.c.id
)
