"""Received key objects that take the place of derivable ones: the documents as which migrated notes were exported.

The document of a migrated note may get the UID under which its source exported it. If the exported document comes
later, it is the real one. As long as nobody can have got the other one, it takes its place: the derivable row goes, and
the note continues with what the real one says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.schema.tables import (
    awaited_key_object,
    delivery,
    finding,
    instance,
    instance_bytes,
    instance_metadata,
    instance_pieces,
    key_object,
    key_object_request,
    location,
    note,
    note_version,
    study,
)
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import hold
from kinote.keyobject.reading import Reading
from kinote.lifecycle import counts
from kinote.lifecycle.guards import CAN_BE_MADE
from kinote.notes.content import NoteContent
from kinote.notes.patients import identity, patients_of_studies
from kinote.notes.registrar.read_content import content_of
from kinote.notes.registrar.register import NextVersion
from kinote.notes.versions import stored_content


@dataclass(frozen=True, slots=True)
class RealDocument:
    """A key object that has arrived under the UID of a derivable one: where it says that it lies, and its reading."""

    sop_instance_uid: str
    study_instance_uid: str
    patient: tuple[str, str]
    reading: Reading


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of it: it is the `following` version of the note, or is held, with the reason why as a clause."""

    following: NextVersion | None = None
    why_not: str = ""


def take_place(transaction: Connection, derivable: int, real: RealDocument) -> Decision:
    """Remove a derivable row, given by its key, if a document takes its place.

    It does if it says the same note, and if the bytes of the other one were never made and are in no other document
    of the note. The caller inserts the document, and registers it as the next version of the note.
    """
    row = transaction.execute(_derivable.where(instance.c.id == derivable).with_for_update(of=instance)).one()
    why_not = _why_not(transaction, row, real)
    if why_not:
        return Decision(why_not=why_not)
    _remove(transaction, row)
    version = transaction.execute(
        select(note_version.c.note, note_version.c.number).where(note_version.c.id == row.version)
    ).one()
    transaction.execute(
        note_version.update().where(note_version.c.id == row.version).values(is_current=False)
    )
    transaction.execute(note.update().where(note.c.id == version.note).values(origin="received"))
    fingerprint = content_of(real.reading).fingerprint()
    return Decision(NextVersion(fingerprint, version.note, version.number + 1))


_derivable = (
    select(
        instance.c.id,
        instance.c.study,
        instance.c.series,
        instance.c.standing,
        instance.c.residence,
        study.c.study_instance_uid,
        key_object.c.version,
        note_version.c.is_current,
    )
    .join(study, study.c.id == instance.c.study)
    .join(key_object, key_object.c.instance == instance.c.id)
    .join(note_version, note_version.c.id == key_object.c.version)
)


def _why_not(transaction: Connection, row: Any, real: RealDocument) -> str:
    if row.standing != "live" or not row.is_current:
        return "that note was revised or withdrawn"
    if not hold(CAN_BE_MADE, row) or _was_given(transaction, real.sop_instance_uid):
        return "that document was given out already"
    if real.reading.registration == "unreadable":
        return "this one cannot be read"
    if real.study_instance_uid != row.study_instance_uid:
        return f"it lies in the study {row.study_instance_uid}"
    patient = identity(*patients_of_studies(transaction, [row.study_instance_uid]))
    if are_different(real.patient, (patient.patient_id, patient.issuer)):
        return "this one names another patient"
    stored, said = stored_content(transaction, row.version), content_of(real.reading)
    if (stored.title.scheme, stored.title.value) != (said.title.scheme, said.title.value):
        return f"its title is {stored.title}, and that of this one {said.title}"
    if _flagged(stored) != _flagged(said):
        return "this one flags other images"
    if _has_others(transaction, row):
        return "that note has documents in other studies, which name it"
    return ""


def _flagged(content: NoteContent) -> set[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return {(each.sop_instance_uid, each.frames, each.segments) for each in content.references}


def _was_given(transaction: Connection, uid: str) -> bool:
    query = select(delivery.c.state).where(delivery.c.sop_instance_uid == uid).limit(1)
    return transaction.execute(query).first() is not None


def _has_others(transaction: Connection, row: Any) -> bool:
    """Return whether the version has other documents: their bytes depend on it, so they stay with it (law 11)."""
    made = select(key_object.c.instance).where(
        key_object.c.version == row.version, key_object.c.instance != row.id
    )
    waiting = select(awaited_key_object.c.version).where(awaited_key_object.c.version == row.version)
    return any(transaction.execute(each.limit(1)).first() is not None for each in (made, waiting))


def _remove(transaction: Connection, row: Any) -> None:
    """Remove the row of a derivable key object, of which there are no bytes."""
    for change_among in _OF_INSTANCE:
        change_among(transaction, [row.id])
    counts.add(transaction, {(row.study, row.series): -1})


_OF_INSTANCE = (
    *(
        statements.ChangeAmong(table.delete(), table.c.instance)
        for table in (
            instance_metadata,
            instance_bytes,
            instance_pieces,
            finding,
            key_object_request,
            key_object,
            location,
        )
    ),
    statements.ChangeAmong(instance.delete(), instance.c.id),
)
