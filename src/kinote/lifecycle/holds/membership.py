"""Which holds keep an instance: derived whenever it is asked, so that whatever comes later joins.

A hold on a study keeps all of it; one on a patient all studies of the patient, after merges; one on a note its
documents, and the images and presentation states that any of its versions names. Standing plays no part: what is
withdrawn stays hidden, and its bytes are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, text

from kinote.catalog.schema.tables import (
    hold,
    instance,
    key_object,
    note_reference,
    note_study,
    note_version,
    patient,
    study,
)
from kinote.catalog.schema.tables.retention import HOLD_IS_OPEN
from kinote.catalog.sql import dialects, guards, statements
from kinote.lifecycle.guards import NOT_ON_HOLD
from kinote.lifecycle.holds.hold import Hold, HoldLevel, OnHoldError

_LOCK = "kinote holds"


def lock_holds(transaction: Connection, *, shared: bool) -> None:
    """Let no hold be placed until the transaction ends, or, not shared, nothing be removed meanwhile.

    So no bytes are removed after the answer that a hold was placed on them.
    """
    dialects.lock_names(transaction, [_LOCK], shared=shared)


def holds_of(
    connection: Connection, instances: Collection[int], now: datetime, *, before: str = ""
) -> dict[int, list[Hold]]:
    """Return the holds in force of each instance, by key; those without any are left out.

    With `before` only holds count that were placed before that moment.
    """
    if not instances or connection.execute(_ANY).first() is None:
        return {}
    found: dict[int, dict[int, Hold]] = defaultdict(dict)

    def note(key: int, row: Any) -> None:
        one = Hold.of(row)
        if one.is_in_force(now) and (not before or one.placed_at <= before):
            found[key][one.id] = one

    for query in _BY_NAME:
        for row in query(connection, instances):
            note(row.held_instance, row)
    of_patients: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(_ON_PATIENTS):
        of_patients[row.root].append(row)
    if of_patients:
        for place in _ROOTS(connection, instances):
            for row in of_patients.get(place.root, ()):
                note(place.held_instance, row)
    return {key: [those[number] for number in sorted(those)] for key, those in found.items()}


def studies_on_hold(connection: Connection, now: datetime) -> set[int]:
    """Return the keys of all studies of which a hold keeps something: of a note, those that it touches."""
    if connection.execute(_ANY).first() is None:
        return set()
    return {
        row.held_study
        for query in _HELD_STUDIES
        for row in connection.execute(query)
        if Hold.of(row).is_in_force(now)
    }


def keys_on_hold(connection: Connection, instances: Collection[int], now: datetime) -> set[int]:
    """Return those of the instances that a hold keeps."""
    return set(holds_of(connection, instances, now))


def uids_on_hold(
    connection: Connection, sop_instance_uids: Collection[str], now: datetime, *, before: str = ""
) -> set[str]:
    """Return those of the UIDs whose current instance a hold keeps; with `before` as in `holds_of`."""
    if not sop_instance_uids or connection.execute(_ANY).first() is None:
        return set()
    uids = {row.id: row.sop_instance_uid for row in _CURRENT(connection, sop_instance_uids)}
    return {uids[key] for key in holds_of(connection, list(uids), now, before=before)}


def hold_sentences(connection: Connection, sop_instance_uid: str, now: datetime) -> list[str]:
    """Return what explains that the bytes of the current instance are kept."""
    keys = [row.id for row in _CURRENT(connection, [sop_instance_uid])]
    return [one.sentence() for those in holds_of(connection, keys, now).values() for one in those]


def require_no_hold(transaction: Connection, sop_instance_uids: Collection[str], now: datetime) -> None:
    """See that no hold keeps any copy of these instances, and that none is placed until the transaction ends.

    Raises `OnHoldError`.
    """
    lock_holds(transaction, shared=True)
    if transaction.execute(_ANY).first() is None:
        return
    uids = sorted(sop_instance_uids)
    for start in range(0, len(uids), _TOGETHER):
        named = {
            row.id: row.sop_instance_uid
            for query in _KEYS
            for row in query(transaction, uids[start : start + _TOGETHER])
        }
        for key, those in sorted(holds_of(transaction, named, now).items()):
            if guards.hold(NOT_ON_HOLD, those):
                continue
            raise OnHoldError(
                f"Instance {named[key]} does not expire while it is on hold. {those[0].sentence()} Leave it out, or "
                "end the hold first."
            )


def require_no_hold_on(transaction: Connection, copies: Mapping[int, str], now: datetime) -> None:
    """See that no hold keeps these held copies, given with their UIDs by their keys. Raises `OnHoldError`."""
    if not copies:
        return
    lock_holds(transaction, shared=True)
    for key, those in sorted(holds_of(transaction, copies, now).items()):
        raise OnHoldError(
            f"The held copy {key} under {copies[key]} is not discarded while it is on hold. {those[0].sentence()} "
            "Leave it out, or end the hold first."
        )


_TOGETHER = 500

_IS_OPEN = text(HOLD_IS_OPEN)

_ANY = select(hold.c.id).where(_IS_OPEN).limit(1)


def _of(level: HoldLevel, query: Select[Any]) -> statements.LookUp:
    return statements.LookUp(query.where(hold.c.level == str(level), _IS_OPEN), instance.c.id)


_HELD = (instance.c.id.label("held_instance"), *hold.c)


def _named_by_note(column: ColumnElement[str], *conditions: ColumnElement[bool]) -> Select[Any]:
    return (
        select(*_HELD)
        .select_from(instance)
        .join(note_reference, column == instance.c.sop_instance_uid)
        .join(note_version, note_version.c.id == note_reference.c.version)
        .join(hold, hold.c.note == note_version.c.note)
        .where(*conditions)
    )


_BY_NAME = (
    _of(
        HoldLevel.STUDY,
        select(*_HELD)
        .select_from(instance)
        .join(study, study.c.id == instance.c.study)
        .join(hold, hold.c.study_instance_uid == study.c.study_instance_uid),
    ),
    _of(HoldLevel.NOTE, _named_by_note(note_reference.c.sop_instance_uid)),
    _of(
        HoldLevel.NOTE,
        _named_by_note(
            note_reference.c.presentation_state_uid,
            # Repeats the WHERE clause of the index.
            note_reference.c.presentation_state_uid != literal_column("''"),
        ),
    ),
    _of(
        HoldLevel.NOTE,
        select(*_HELD)
        .select_from(instance)
        .join(key_object, key_object.c.instance == instance.c.id)
        .join(note_version, note_version.c.id == key_object.c.version)
        .join(hold, hold.c.note == note_version.c.note),
    ),
)

_named = patient.alias("named_patient")

#: Holds on patients are few. The row that a patient is merged into stands for all that are.
_ON_PATIENTS = (
    select(*hold.c, func.coalesce(_named.c.merged_into, _named.c.id).label("root"))
    .select_from(hold)
    .join(
        _named,
        (_named.c.patient_id == hold.c.patient_id)
        & (_named.c.issuer == hold.c.issuer)
        # Repeats the WHERE clause of the index.
        & (_named.c.patient_id != literal_column("''")),
    )
    .where(hold.c.level == str(HoldLevel.PATIENT), _IS_OPEN)
)

_ROOTS = statements.LookUp(
    select(
        instance.c.id.label("held_instance"),
        func.coalesce(patient.c.merged_into, patient.c.id).label("root"),
    )
    .select_from(instance)
    .join(study, study.c.id == instance.c.study)
    .join(patient, patient.c.id == study.c.patient),
    instance.c.id,
)

_CURRENT = statements.LookUp(
    select(instance.c.id, instance.c.sop_instance_uid).where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

_KEYS = (
    _CURRENT,
    statements.LookUp(
        select(instance.c.id, instance.c.sop_instance_uid).where(~instance.c.is_current),
        instance.c.sop_instance_uid,
    ),
)

_filed = patient.alias("filed_patient")
_HELD_STUDY = (study.c.id.label("held_study"), *hold.c)

_HELD_STUDIES = (
    select(*_HELD_STUDY)
    .join(hold, hold.c.study_instance_uid == study.c.study_instance_uid)
    .where(hold.c.level == str(HoldLevel.STUDY), _IS_OPEN),
    select(*_HELD_STUDY)
    .select_from(hold)
    .join(note_version, note_version.c.note == hold.c.note)
    .join(note_study, note_study.c.version == note_version.c.id)
    .join(study, study.c.study_instance_uid == note_study.c.study_instance_uid)
    .where(hold.c.level == str(HoldLevel.NOTE), _IS_OPEN),
    # Once by the patient that is named or that it is merged into, and once by those merged into the same.
    *(
        select(*_HELD_STUDY)
        .select_from(hold)
        .join(
            _named,
            (_named.c.patient_id == hold.c.patient_id)
            & (_named.c.issuer == hold.c.issuer)
            & (_named.c.patient_id != literal_column("''")),
        )
        .join(_filed, condition)
        .join(study, study.c.patient == _filed.c.id)
        .where(hold.c.level == str(HoldLevel.PATIENT), _IS_OPEN)
        for condition in (
            _filed.c.id == func.coalesce(_named.c.merged_into, _named.c.id),
            _filed.c.merged_into == func.coalesce(_named.c.merged_into, _named.c.id),
        )
    ),
)
