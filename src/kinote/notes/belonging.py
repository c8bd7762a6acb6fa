"""Which notes belong to a study, as one condition, so that counts and lists agree.

For each note version the index has the studies that its documents name or lie in. Such a row can be wrong in two
ways: the image belongs to another patient, on whose study the note has no effect, or the image is stored in another
study than the document says. Both become known when something arrives, and are then written into the row
(`flags_there`), so that a page of studies need not check each of its notes.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, not_, or_, select

from kinote.catalog.columns.patient_identity import are_different
from kinote.catalog.instances.patient_keys import lock_patients
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    instance,
    key_object,
    migrated_note,
    note_reference,
    note_study,
    note_version,
    patient,
    study,
)
from kinote.catalog.sql import dialects, statements
from kinote.notes.patients import after_merge

#: The number of versions for each statement. SQLite may be built to accept no more than 32,766 parameters.
_TOGETHER = 10_000


def belongs_to_study() -> ColumnElement[bool]:
    """Return the condition on `note_study` that a live KOS of the version lies in that study, or the version flags
    something there that does not belong to another patient."""
    return or_(note_study.c.flags_there, _lies_there())


def refresh(transaction: Connection, versions: Collection[int]) -> None:
    """Update where these note versions flag something, after an image has come or a patient has become known."""
    if versions:
        if dialects.has_several_writers(transaction):
            named = {row.study_instance_uid for row in _studies(transaction, versions)}
            lock_patients(transaction, named, shared=True)
        ordered = sorted(versions)
        for begin in range(0, len(ordered), _TOGETHER):
            transaction.execute(_REFRESH, {"versions": ordered[begin : begin + _TOGETHER]})


def patients_changed(transaction: Connection, study_uids: Collection[str]) -> None:
    """Update the notes that name these studies, whose patient has changed."""
    if study_uids:
        lock_patients(transaction, study_uids, shared=False)
        refresh(transaction, {row.version for row in _versions(transaction, study_uids)})


def differences(connection: Connection) -> list[str]:
    """Return one sentence for each row that contradicts references, places and patients."""
    query = select(note_study, _flags_there().label("flags")).order_by(note_study.c.version)
    return [
        f"version {row.version} in study {row.study_instance_uid}: flags_there is {row.flags_there}"
        for row in connection.execute(query)
        if bool(row.flags) != row.flags_there
    ]


def _lies_there() -> ColumnElement[bool]:
    place = study.alias("carrier_study")
    return exists(
        select(key_object.c.instance)
        .join(live_instance, live_instance.c.id == key_object.c.instance)
        .join(place, place.c.id == live_instance.c.study)
        .where(
            key_object.c.version == note_study.c.version,
            place.c.study_instance_uid == note_study.c.study_instance_uid,
        )
    )


def _flags_there() -> ColumnElement[bool]:
    flagged = instance.alias("flagged")
    place = study.alias("flagged_study")
    known = note_reference.outerjoin(
        flagged,
        and_(flagged.c.sop_instance_uid == note_reference.c.sop_instance_uid, flagged.c.is_current),
    ).outerjoin(place, place.c.id == flagged.c.study)
    return exists(
        select(note_reference.c.position)
        .select_from(known)
        .where(
            note_reference.c.version == note_study.c.version,
            # The study in which it is stored takes precedence over what a document says (V28, V85).
            func.coalesce(place.c.study_instance_uid, note_reference.c.study_instance_uid)
            == note_study.c.study_instance_uid,
            or_(flagged.c.id.is_(None), _is_of_the_same_patient(place.c.patient)),
        )
    )


def _is_of_the_same_patient(key: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that the patient with this key may be that of the first KOS (`notes.patients`).

    The patient of a migrated note without a KOS yet is the one that its source names.
    """
    carriers = select(func.min(key_object.c.instance)).where(key_object.c.version == note_study.c.version)
    first = carriers.correlate(note_study).scalar_subquery()
    carrier, its_study = instance.alias("first_carrier"), study.alias("first_study")
    own, own_merged = patient.alias("own"), patient.alias("own_merged")
    other, other_merged = patient.alias("other"), patient.alias("other_merged")
    own_identity = (after_merge(own, own_merged, "patient_id"), after_merge(own, own_merged, "issuer"))
    other_identity = (
        after_merge(other, other_merged, "patient_id"),
        after_merge(other, other_merged, "issuer"),
    )
    of_carrier = exists(
        select(carrier.c.id)
        .join(its_study, its_study.c.id == carrier.c.study)
        .join(own, own.c.id == its_study.c.patient)
        .outerjoin(own_merged, own_merged.c.id == own.c.merged_into)
        .join(other, other.c.id == key)
        .outerjoin(other_merged, other_merged.c.id == other.c.merged_into)
        .where(
            carrier.c.id == first,
            not_(are_different(own_identity, other_identity)),
        )
    )
    said = (migrated_note.c.patient_id, migrated_note.c.issuer_of_patient_id)
    flagged, flagged_merged = patient.alias("flagged_patient"), patient.alias("flagged_merged")
    as_filed = (flagged.c.patient_id, flagged.c.issuer)
    as_merged = (
        after_merge(flagged, flagged_merged, "patient_id"),
        after_merge(flagged, flagged_merged, "issuer"),
    )
    of_source = exists(
        select(migrated_note.c.id)
        .join(note_version, note_version.c.note == migrated_note.c.note)
        .join(flagged, flagged.c.id == key)
        .outerjoin(flagged_merged, flagged_merged.c.id == flagged.c.merged_into)
        .where(
            note_version.c.id == note_study.c.version,
            migrated_note.c.migrated_as == "note",
            first.is_(None),
            # The source knows of no merges here.
            or_(not_(are_different(said, as_filed)), not_(are_different(said, as_merged))),
        )
    )
    return or_(of_carrier, of_source)


# Only rows that change are written.
_REFRESH = (
    note_study.update()
    .where(
        note_study.c.version.in_(bindparam("versions", expanding=True)),
        note_study.c.flags_there != _flags_there(),
    )
    .values(flags_there=~note_study.c.flags_there)
)

_studies = statements.LookUp(
    select(note_study.c.study_instance_uid, note_study.c.version), note_study.c.version
)

_versions = statements.LookUp(
    select(note_study.c.version, note_study.c.study_instance_uid), note_study.c.study_instance_uid
)
