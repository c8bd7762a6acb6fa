"""Migrated notes whose key objects wait: which, and for what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, not_, select, tuple_

from kinote.catalog.schema.tables import (
    awaited_key_object,
    instance,
    migrated_note,
    note_reference,
    note_version,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.sql import statements
from kinote.notes.lists.note import AwaitedKeyObject
from kinote.notes.patients import PatientIdentity


@dataclass(slots=True)
class Waiting:
    """What a note version waits with: its key objects, and the patient that its source names."""

    patient: PatientIdentity
    key_objects: list[AwaitedKeyObject] = field(default_factory=list)
    #: Whether it is in use: not all of its key objects were withdrawn before they could be made.
    is_in_use: bool = False


def is_awaited() -> ColumnElement[bool]:
    """Return the condition on `note_version` that a KOS of the version waits, and was not withdrawn before."""
    return exists(
        select(awaited_key_object.c.version).where(
            awaited_key_object.c.version == note_version.c.id, not_(_is_withdrawn())
        )
    )


def waiting(connection: Connection, versions: Collection[int]) -> dict[int, Waiting]:
    """Return what versions of migrated notes wait with, for those that do."""
    found: dict[int, Waiting] = {}
    rows = list(_awaited(connection, versions))
    missing = _without_place(connection, {row.version for row in rows})
    for row in rows:
        # No row of a patient has this key.
        whose = PatientIdentity(0, row.patient_id, row.issuer_of_patient_id)
        each = found.setdefault(row.version, Waiting(whose))
        each.is_in_use |= not row.is_withdrawn
        each.key_objects.append(
            AwaitedKeyObject(
                row.sop_instance_uid, row.study_instance_uid, _reason(row, missing.get(row.version, 0))
            )
        )
    return found


def waiting_notes(connection: Connection, *, after: tuple[int, str], limit: int) -> list[dict[str, Any]]:
    """Return key objects that wait, with their notes, in the order in which the notes came; a page of them.

    `after` is the note version and the study at the end of the page before.
    """
    place = tuple_(awaited_key_object.c.version, awaited_key_object.c.study_instance_uid)
    query = select(awaited_key_object.c.version, awaited_key_object.c.study_instance_uid)
    rows = connection.execute(
        query.where(place > tuple_(*after))
        .order_by(awaited_key_object.c.version, awaited_key_object.c.study_instance_uid)
        .limit(limit)
    ).all()
    versions = {row.version for row in rows}
    told = waiting(connection, versions)
    named = {row.id: row for row in _names(connection, versions)}
    places = {(row.version, row.study_instance_uid) for row in rows}
    return [
        {
            "version": key,
            "note": named[key].note,
            "source": named[key].source,
            "legacy_key": named[key].legacy_key,
            "patient_id": named[key].patient_id,
            "study_instance_uid": each.study_instance_uid,
            "sop_instance_uid": each.sop_instance_uid,
            "reason": each.reason,
        }
        for key in sorted(told)
        for each in told[key].key_objects
        if (key, each.study_instance_uid) in places
    ]


def duplicates(connection: Connection, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Return notes of other systems that are probable duplicates of notes that were here, a page of them."""
    query = (
        select(
            migrated_note.c.id,
            migrated_note.c.source,
            migrated_note.c.legacy_key,
            migrated_note.c.note,
            migrated_note.c.patient_id,
            migrated_note.c.imported_at,
        )
        .where(migrated_note.c.migrated_as == "duplicate", migrated_note.c.id > after)
        .order_by(migrated_note.c.id)
        .limit(limit)
    )
    return [row._asdict() for row in connection.execute(query)]


def _reason(row: Any, missing: int) -> str:
    if row.is_withdrawn:
        return "The note was withdrawn before its key object could be made."
    if row.refused:
        return str(row.refused)
    if missing:
        return (
            f"{missing} of its images or presentation states are not here, and nobody has said in which series "
            "they are, or of which class."
        )
    return "Its study is not here."


def _is_withdrawn() -> ColumnElement[bool]:
    return exists(
        select(withdrawal_target.c.withdrawal)
        .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
        .where(
            withdrawal_target.c.sop_instance_uid == awaited_key_object.c.sop_instance_uid,
            withdrawal_target.c.spared == "",
            withdrawal.c.undone_at.is_(None),
            withdrawal.c.effect == "hidden",
        )
        .correlate(awaited_key_object)
    )


_awaited = statements.LookUp(
    (
        select(
            awaited_key_object,
            migrated_note.c.patient_id,
            migrated_note.c.issuer_of_patient_id,
            _is_withdrawn().label("is_withdrawn"),
        )
        .join(note_version, note_version.c.id == awaited_key_object.c.version)
        .join(
            migrated_note,
            and_(migrated_note.c.note == note_version.c.note, migrated_note.c.migrated_as == "note"),
        )
        .order_by(awaited_key_object.c.version, awaited_key_object.c.study_instance_uid)
    ),
    awaited_key_object.c.version,
)

_names = statements.LookUp(
    select(
        note_version.c.id,
        note_version.c.note,
        migrated_note.c.source,
        migrated_note.c.legacy_key,
        migrated_note.c.patient_id,
    ).join(
        migrated_note,
        and_(migrated_note.c.note == note_version.c.note, migrated_note.c.migrated_as == "note"),
    ),
    note_version.c.id,
)

_image, _state = instance.alias("flagged"), instance.alias("state")

_lacking = statements.LookUp(
    select(note_reference.c.version, note_reference.c.position)
    .outerjoin(
        _image, and_(_image.c.sop_instance_uid == note_reference.c.sop_instance_uid, _image.c.is_current)
    )
    .outerjoin(
        _state,
        and_(_state.c.sop_instance_uid == note_reference.c.presentation_state_uid, _state.c.is_current),
    )
    .where(
        (
            _image.c.id.is_(None)
            & (
                (note_reference.c.study_instance_uid == "")
                | (note_reference.c.series_instance_uid == "")
                | (note_reference.c.sop_class_uid == "")
            )
        )
        | (_state.c.id.is_(None) & (note_reference.c.presentation_state_uid != ""))
    ),
    note_reference.c.version,
)


def _without_place(connection: Connection, versions: Collection[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in _lacking(connection, versions):
        found[row.version] = found.get(row.version, 0) + 1
    return found
