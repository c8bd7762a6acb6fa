"""Key objects and presentation states that refer to a UID under which there was more than one object.

They are not changed: they go on meaning the object that has the UID now. Nobody can tell which of the two was looked at
when they were made, so each has a finding that says so, for a person to look.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlalchemy import Connection, Select, literal_column, or_, select

from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    copy_decision,
    decided_copy,
    finding,
    instance,
    instance_bytes,
    key_object,
    note_reference,
    withdrawal,
)
from kinote.catalog.sql import statements
from kinote.dicom.dictionary.sop_classes import PRESENTATION_STATES
from kinote.keyobject.findings import found
from kinote.lifecycle.copies.choices import Choice, Way

CODE = "REFERENCE_AMBIGUOUS"

#: Presentation states of the studies that are looked through at most, and UIDs that a finding names.
_MOST_STATES, _EXAMPLES = 2_000, 3

_UIDS = re.compile(rb"[0-9.]{5,64}")


def write_ambiguous(transaction: Connection, sop_instance_uids: Collection[str]) -> None:
    """Recompute the finding for all live key objects and presentation states that refer to one of these UIDs.

    It names all UIDs to which they refer and about which decisions in force have brought another object into use; where
    there is none left, it goes. Presentation states are those of the studies in which the objects lie, as far as the
    index has their bytes and these are not deflated.
    """
    wanted = set(sop_instance_uids)
    named: dict[int, set[str]] = {}
    for naming in (_naming_objects, _naming_states):
        for row in naming(transaction, wanted):
            named[row.instance] = set()
    for row in _named_by(transaction, list(named)):
        named[row.instance] |= {row.sop_instance_uid, row.presentation_state_uid} - {""}
    studies = {row.study for row in _studies(transaction, wanted)}
    for state in transaction.execute(_states(studies)):
        uids = {uid.decode() for uid in _UIDS.findall(state.dataset)}
        if uids & wanted:
            named.setdefault(state.id, set()).update(uids)
    all_named: set[str] = set().union(*named.values())
    ambiguous = {row.sop_instance_uid for row in _several(transaction, all_named)}
    _forget(transaction, list(named))
    rows = []
    for key, uids in sorted(named.items()):
        those = sorted(uids & ambiguous)
        if not those:
            continue
        more = " and others" if len(those) > _EXAMPLES else ""
        each = found(CODE, "", ", ".join(those[:_EXAMPLES]) + more)
        rows.append(
            {
                "instance": key,
                "code": each.code,
                "severity": each.severity,
                "place": each.place,
                "text": each.text,
            }
        )
    statements.insert_rows(transaction, finding, rows)


_carried = note_reference.join(key_object, key_object.c.version == note_reference.c.version).join(
    live_instance, live_instance.c.id == key_object.c.instance
)

_naming = select(live_instance.c.id.label("instance")).select_from(_carried).distinct()

_naming_objects = statements.LookUp(_naming, note_reference.c.sop_instance_uid)

_naming_states = statements.LookUp(
    # Repeats the WHERE clause of the index.
    _naming.where(note_reference.c.presentation_state_uid != literal_column("''")),
    note_reference.c.presentation_state_uid,
)

_named_by = statements.LookUp(
    select(
        key_object.c.instance, note_reference.c.sop_instance_uid, note_reference.c.presentation_state_uid
    ).join(note_reference, note_reference.c.version == key_object.c.version),
    key_object.c.instance,
)

#: The UIDs under which another object came that is in use by a decision in force, under them or under new ones.
_several = statements.LookUp(
    select(decided_copy.c.sop_instance_uid)
    .join(copy_decision, copy_decision.c.id == decided_copy.c.decision)
    .outerjoin(withdrawal, withdrawal.c.id == decided_copy.c.withdrawal)
    .where(
        copy_decision.c.choice != str(Choice.ISSUE_AGAIN),
        decided_copy.c.way != str(Way.DISCARDED),
        # With a new UID both stay in use.
        or_(decided_copy.c.way != str(Way.IN_PLACE), withdrawal.c.undone_at.is_(None)),
    )
    .distinct(),
    decided_copy.c.sop_instance_uid,
)

_studies = statements.LookUp(
    select(instance.c.study).where(instance.c.is_current).distinct(), instance.c.sop_instance_uid
)


def _states(studies: Collection[int]) -> Select[tuple[int, bytes]]:
    return (
        select(live_instance.c.id, instance_bytes.c.dataset)
        .join(instance_bytes, instance_bytes.c.instance == live_instance.c.id)
        .where(
            live_instance.c.study.in_(sorted(studies)[:1000]),
            or_(*(live_instance.c.sop_class_uid.startswith(prefix) for prefix in PRESENTATION_STATES)),
        )
        .limit(_MOST_STATES)
    )


_forget = statements.ChangeAmong(finding.delete().where(finding.c.code == CODE), finding.c.instance)
