"""Whose something is: the patient and the study of an object, for whoever records what was done with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, note_study, note_version, study

Value = TypeVar("Value")

#: Values in one query.
_TOGETHER = 500


def patients_of_studies(connection: Connection, uids: Collection[str]) -> dict[str, str]:
    """Return the Patient ID of each study that is known, as it holds now."""
    found: dict[str, str] = {}
    for part in _parts(sorted(uids)):
        query = select(study.c.study_instance_uid, study.c.patient_id).where(
            study.c.study_instance_uid.in_(part)
        )
        found.update({row.study_instance_uid: row.patient_id for row in connection.execute(query)})
    return found


def studies_of_instances(connection: Connection, uids: Collection[str]) -> dict[str, str]:
    """Return the Study Instance UID of each instance that is known, whatever its standing."""
    found: dict[str, str] = {}
    for part in _parts(sorted(uids)):
        query = (
            select(instance.c.sop_instance_uid, study.c.study_instance_uid)
            .join(study, study.c.id == instance.c.study)
            .where(instance.c.sop_instance_uid.in_(part))
        )
        found.update({row.sop_instance_uid: row.study_instance_uid for row in connection.execute(query)})
    return found


def studies_of_copies(connection: Connection, keys: Collection[int]) -> dict[int, str]:
    """Return the Study Instance UID of each copy of an instance, by the number of the copy."""
    found: dict[int, str] = {}
    for part in _parts(sorted(keys)):
        query = (
            select(instance.c.id, study.c.study_instance_uid)
            .join(study, study.c.id == instance.c.study)
            .where(instance.c.id.in_(part))
        )
        found.update({row.id: row.study_instance_uid for row in connection.execute(query)})
    return found


def studies_of_notes(connection: Connection, notes: Collection[int]) -> dict[int, str]:
    """Return a study that the current version of each note touches, the first by its UID."""
    found: dict[int, str] = {}
    for part in _parts(sorted(notes)):
        query = (
            select(note_version.c.note, note_study.c.study_instance_uid)
            .join(note_study, note_study.c.version == note_version.c.id)
            .where(note_version.c.note.in_(part), note_version.c.is_current)
            .order_by(note_study.c.study_instance_uid)
        )
        for row in connection.execute(query):
            found.setdefault(row.note, row.study_instance_uid)
    return found


def _parts(values: list[Value]) -> list[list[Value]]:
    return [values[at : at + _TOGETHER] for at in range(0, len(values), _TOGETHER)]
