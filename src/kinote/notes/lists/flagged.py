"""What key objects of a study flag, and which instances are not here: for whoever fetches them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kinote.catalog.schema.tables import instance, key_object, note_reference, study
from kinote.catalog.sql import statements


@dataclass(frozen=True, slots=True)
class Flagged:
    """An instance that notes of a study flag, or a presentation state that they name (without series and class)."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def not_here(connection: Connection, sop_instance_uids: Collection[str]) -> list[str]:
    """Return those UIDs under which nothing is here; of what was purged here, the tombstone is."""
    here = {row.sop_instance_uid for row in _here(connection, sop_instance_uids)}
    return sorted(set(sop_instance_uids) - here)


def flagged_by_key_objects_of(connection: Connection, study_instance_uid: str) -> list[Flagged]:
    """Return what the key objects that lie in a study flag, and the presentation states that they name."""
    rows = connection.execute(
        select(
            note_reference.c.study_instance_uid,
            note_reference.c.series_instance_uid,
            note_reference.c.sop_class_uid,
            note_reference.c.sop_instance_uid,
            note_reference.c.presentation_state_uid,
        )
        .join(key_object, key_object.c.version == note_reference.c.version)
        .join(instance, instance.c.id == key_object.c.instance)
        .join(study, study.c.id == instance.c.study)
        .where(study.c.study_instance_uid == study_instance_uid)
    ).all()
    found = {
        row.sop_instance_uid: Flagged(
            row.study_instance_uid or study_instance_uid,
            row.series_instance_uid,
            row.sop_class_uid,
            row.sop_instance_uid,
        )
        for row in rows
    }
    for row in rows:
        uid = row.presentation_state_uid
        if uid:
            found.setdefault(uid, Flagged(row.study_instance_uid or study_instance_uid, "", "", uid))
    return list(found.values())


_here = statements.LookUp(
    select(instance.c.sop_instance_uid).where(instance.c.is_current), instance.c.sop_instance_uid
)
