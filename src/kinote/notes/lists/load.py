"""Makes notes from their rows and the current state of the index, with the same few statements however many they
are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, or_, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    finding,
    instance,
    key_object,
    note,
    note_modifier,
    note_reference,
    note_version,
    series,
    study,
)
from kinote.catalog.sql import statements
from kinote.keyobject.codes import Code
from kinote.keyobject.findings import Finding, found
from kinote.keyobject.titles import TitleGroup
from kinote.lifecycle.rejection.proposals import with_effect
from kinote.notes.author import Author
from kinote.notes.lists.note import Note, NoteKeyObject, NoteReference
from kinote.notes.lists.waiting import Waiting, is_awaited, waiting
from kinote.notes.patients import PATIENT_COLUMNS, PatientIdentity, identity, with_patient
from kinote.notes.versions import numbers_from


def is_carried() -> ColumnElement[bool]:
    """Return the condition on `note_version` that at least one KOS with the version is live (law 1)."""
    return exists(
        select(key_object.c.instance)
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .where(key_object.c.version == note_version.c.id)
    )


def is_in_use() -> ColumnElement[bool]:
    """Return the condition on `note_version` that a note is shown: a live KOS carries it, or one waits to be made."""
    return or_(is_carried(), is_awaited())


def versions_query() -> Select[Any]:
    """Return the query for the rows that `load` needs, to which the caller adds conditions."""
    return select(note_version, note.c.origin).join(note, note.c.id == note_version.c.note)


@dataclass(slots=True)
class _Parts:
    """The parts of one version."""

    modifiers: list[Code] = field(default_factory=list)
    references: list[Row[Any]] = field(default_factory=list)
    key_objects: list[Row[Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def load(connection: Connection, rows: Sequence[Row[Any]], *, everything: bool) -> list[Note]:
    """Return the notes of these rows, in their order.

    References to another patient's images are left out unless `everything` is true.
    """
    if not rows:
        return []
    parts: dict[int, _Parts] = {row.id: _Parts() for row in rows}
    for item in _modifiers(connection, parts):
        parts[item.version].modifiers.append(Code(item.value, item.scheme, item.meaning))
    for item in _references(connection, parts):
        parts[item.version].references.append(item)
    carriers = {}
    for item in _key_objects(connection, parts):
        parts[item.version].key_objects.append(item)
        # What was made here has findings only if its bytes cannot be made.
        if item.made_from is None or item.residence == "derivable":
            carriers[item.instance] = item.version
    for instance_key, found_here in findings_of(connection, carriers).items():
        parts[carriers[instance_key]].findings += found_here
    for key in _without_effect(connection, rows, parts):
        parts[key].findings.append(found("REJECTION_NOT_AUTHORISED"))
    migrated = [row.id for row in rows if row.origin == "migrated"]
    awaited = waiting(connection, migrated) if migrated else {}
    return [_note(row, parts[row.id], awaited.get(row.id), everything=everything) for row in rows]


def _without_effect(
    connection: Connection, rows: Sequence[Row[Any]], parts: dict[int, _Parts]
) -> Sequence[int]:
    """Return those versions that are received rejection notes none of whose documents has had an effect."""
    documents = {
        row.id: {item.sop_instance_uid for item in parts[row.id].key_objects}
        for row in rows
        if row.origin == "received" and row.title_group == TitleGroup.REJECTION
    }
    if not documents:
        return ()
    effective = with_effect(connection, set().union(*documents.values()))
    return [key for key, uids in documents.items() if not uids & effective]


def findings_of(connection: Connection, instances: Collection[int]) -> dict[int, list[Finding]]:
    """Return the stored findings of key objects, by the key of their instance."""
    found_here: dict[int, list[Finding]] = {}
    for row in _findings(connection, instances) if instances else ():
        one = Finding(row.code, row.severity, row.place, row.text)
        found_here.setdefault(row.instance, []).append(one)
    return found_here


_modifiers = statements.LookUp(
    select(note_modifier).order_by(note_modifier.c.version, note_modifier.c.position), note_modifier.c.version
)

_findings = statements.LookUp(select(finding).order_by(finding.c.id), finding.c.instance)

_references = statements.LookUp(
    (
        select(
            note_reference,
            study.c.study_instance_uid.label("known_study_uid"),
            series.c.series_instance_uid.label("known_series_uid"),
            instance.c.sop_class_uid.label("known_class_uid"),
            instance.c.standing,
            instance.c.residence,
            instance.c.frames.label("known_frames"),
            *PATIENT_COLUMNS,
        )
        .select_from(
            with_patient(
                note_reference.outerjoin(
                    instance,
                    (instance.c.sop_instance_uid == note_reference.c.sop_instance_uid)
                    & instance.c.is_current,
                )
                .outerjoin(study, study.c.id == instance.c.study)
                .outerjoin(series, series.c.id == instance.c.series)
            )
        )
        .order_by(note_reference.c.version, note_reference.c.position)
    ),
    note_reference.c.version,
)

_key_objects = statements.LookUp(
    (
        select(
            key_object.c.version,
            key_object.c.instance,
            key_object.c.registration,
            key_object.c.made_from,
            instance.c.sop_instance_uid,
            instance.c.standing,
            instance.c.residence,
            study.c.study_instance_uid,
            *PATIENT_COLUMNS,
        )
        .select_from(
            with_patient(
                key_object.join(instance, instance.c.id == key_object.c.instance).join(
                    study, study.c.id == instance.c.study
                )
            )
        )
        .order_by(key_object.c.version, key_object.c.instance)
    ),
    key_object.c.version,
)


def _note(row: Row[Any], parts: _Parts, awaited: Waiting | None, *, everything: bool) -> Note:
    carriers = parts.key_objects
    whose = [identity(item) for item in carriers]
    findings = list(dict.fromkeys(parts.findings))
    references = []
    patient = whose[0] if whose else awaited.patient if awaited else None
    places = [item.study_instance_uid for item in (*carriers, *(awaited.key_objects if awaited else ()))]
    is_live = any(item.standing == "live" for item in carriers) or bool(awaited and awaited.is_in_use)
    for item in parts.references:
        reference, derived = _reference(item, patient)
        findings += [one for one in derived if one not in findings]
        if everything or reference.status != "foreign":
            references.append(reference)
    return Note(
        id=row.note,
        version=row.number,
        study_instance_uid=places[0] if places else "",
        title=Code(row.title_value, row.title_scheme, row.title_meaning),
        title_group=row.title_group,
        modifiers=tuple(parts.modifiers),
        description=row.description,
        language=row.language,
        author=Author(row.author_kind, row.author_name, row.author_login, row.author_verified),
        # A document that does not say when it was made is as old as its registration (V42).
        created=row.created or row.registered_at,
        origin=row.origin,
        standing="live" if is_live else "withdrawn",
        references=tuple(references),
        key_objects=tuple(
            NoteKeyObject(item.sop_instance_uid, item.study_instance_uid, item.registration, item.standing)
            for item in carriers
        ),
        findings=tuple(findings),
        awaited=tuple(awaited.key_objects) if awaited else (),
    )


def _reference(row: Row[Any], patient: PatientIdentity | None) -> tuple[NoteReference, list[Finding]]:
    reference = NoteReference(
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        frames=numbers_from(row.frames),
        segments=numbers_from(row.segments),
        presentation_state_uid=row.presentation_state_uid,
        status="pending",
    )
    if row.standing is None:
        return reference, []
    reference = replace(
        reference,
        # The study in which it is stored takes precedence over what a document says (V28, V85).
        study_instance_uid=row.known_study_uid,
        series_instance_uid=row.known_series_uid,
        sop_class_uid=row.known_class_uid,
        status=_status(row, patient),
    )
    if reference.status == "foreign":
        return reference, [found("CROSS_PATIENT", row.sop_instance_uid)]
    return _with_frames_that_exist(reference, row.known_frames or 1)


def _status(row: Row[Any], patient: PatientIdentity | None) -> str:
    whose = identity(row)
    if patient is not None and whose.differs_from(patient):
        return "foreign"
    if row.standing != "live":
        return "withdrawn"
    return "remote" if row.residence == "remote" else "resolved"


def _with_frames_that_exist(reference: NoteReference, frames: int) -> tuple[NoteReference, list[Finding]]:
    """Leave out wrong frame numbers, which can be checked only once the image is here (V23 to V25)."""
    there = tuple(number for number in reference.frames if 1 <= number <= frames) if frames > 1 else ()
    if there == reference.frames:
        return reference, []
    return replace(reference, frames=there), [found("FRAME_NOT_THERE", reference.sop_instance_uid, frames)]
