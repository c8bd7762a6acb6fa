"""The notes that key objects here carry, and whether one of them stands for a migrated note that was exported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import key_object, note_reference, note_version, study
from kinote.catalog.sql import statements
from kinote.notes.content import NoteContent
from kinote.notes.patients import PatientIdentity, patients_of_studies
from kinote.notes.versions import numbers_from


@dataclass(slots=True)
class CarriedNote:
    """The note of a live key object that could be read: its number, its patient, and what it flags."""

    note: int
    patient: PatientIdentity
    #: Frames by SOP Instance UID; None for the whole image.
    flagged: dict[str, set[int] | None] = field(default_factory=dict)

    def stands_for(self, content: NoteContent, patient: tuple[str, str]) -> bool:
        """Return whether it flags everything that a note about a patient (Patient ID and issuer) flags."""
        if are_different(patient, (self.patient.patient_id, self.patient.issuer)):
            return False
        return all(
            self._flags(reference.sop_instance_uid, reference.frames) for reference in content.references
        )

    def add(self, uid: str, frames: tuple[int, ...]) -> None:
        before = self.flagged.get(uid, set())
        self.flagged[uid] = before | set(frames) if frames and before is not None else None

    def _flags(self, uid: str, frames: tuple[int, ...]) -> bool:
        if uid not in self.flagged:
            return False
        flagged = self.flagged[uid]
        return flagged is None or (bool(frames) and flagged.issuperset(frames))


def notes_carried_by(transaction: Connection, key_objects: Collection[str]) -> Mapping[str, CarriedNote]:
    """Return the notes that live key objects carry, by their SOP Instance UID."""
    rows = _carried(transaction, key_objects)
    patients = {
        row.study_instance_uid: PatientIdentity(row.patient_key, row.patient_id, row.issuer)
        for row in patients_of_studies(transaction, {row.study_instance_uid for row in rows})
    }
    by_version: dict[int, list[CarriedNote]] = {}
    found: dict[str, CarriedNote] = {}
    for row in rows:
        each = found[row.sop_instance_uid] = CarriedNote(row.note, patients[row.study_instance_uid])
        by_version.setdefault(row.version, []).append(each)
    for row in _flagged(transaction, list(by_version)):
        for each in by_version[row.version]:
            each.add(row.sop_instance_uid, numbers_from(row.frames))
    return found


_carried = statements.LookUp(
    select(
        live_instance.c.sop_instance_uid,
        note_version.c.id.label("version"),
        note_version.c.note,
        study.c.study_instance_uid,
    ).select_from(
        live_instance.join(key_object, key_object.c.instance == live_instance.c.id)
        .join(note_version, note_version.c.id == key_object.c.version)
        .join(study, study.c.id == live_instance.c.study)
    ),
    live_instance.c.sop_instance_uid,
)

_flagged = statements.LookUp(
    select(note_reference.c.version, note_reference.c.sop_instance_uid, note_reference.c.frames),
    note_reference.c.version,
)
