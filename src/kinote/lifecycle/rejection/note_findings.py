"""Findings of rejection notes about what they name: recomputed from the index, so that the order does not matter."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, literal_column, select

from kinote.catalog.schema.tables import decided_copy, finding, instance, withdrawal, withdrawal_target
from kinote.catalog.sql import statements
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.keyobject.findings import Finding, found
from kinote.lifecycle.rejection.rules import ACTS_BY_TITLE, Spared

_OF_ANOTHER_PATIENT = "REJECTION_FOREIGN"
_DISPUTED = "REJECTION_DISPUTED"
_ON_HOLD = "REJECTION_ON_HOLD"
_OF_REJECTION_NOTES = "REJECTION_OF_REJECTION"

_LEFT_OUT = "REJECTION_LEFT_OUT"

_OF_ISSUED = "REJECTION_OF_ISSUED"

_BY_SPARED = {
    Spared.ANOTHER_PATIENT: _OF_ANOTHER_PATIENT,
    Spared.DISPUTED: _DISPUTED,
    Spared.ON_HOLD: _ON_HOLD,
}

#: Findings that come from what else is here. Reading the note again does not find them.
OF_REJECTIONS = frozenset(
    {_OF_ANOTHER_PATIENT, _DISPUTED, _ON_HOLD, _OF_REJECTION_NOTES, _LEFT_OUT, _OF_ISSUED}
)

#: UIDs that are read for a sentence: those that it names, and one that stands for all others.
_EXAMPLES = 4

_PLACE = "ContentSequence"


def write_findings(transaction: Connection, note_uids: Sequence[str]) -> None:
    """Write the findings of these rejection notes, in place of those that they have."""
    for row in _notes(transaction, note_uids):
        uids = {code: _spared(transaction, row.sop_instance_uid, why) for why, code in _BY_SPARED.items()}
        uids[_OF_REJECTION_NOTES] = _rejections_named(transaction, row.sop_instance_uid)
        uids[_OF_ISSUED] = _issued_named(transaction, row.sop_instance_uid)
        transaction.execute(finding.delete().where(finding.c.instance == row.id, finding.c.code.in_(uids)))
        rows = []
        for code, examples in uids.items():
            if examples:
                more = " and others" if len(examples) == _EXAMPLES else ""
                each = found(code, _PLACE, ", ".join(examples[: _EXAMPLES - 1]) + more)
                rows.append(_row(row.id, each))
        statements.insert_rows(transaction, finding, rows)


def write_left_out(transaction: Connection, note_uids: Sequence[str]) -> None:
    """Write the finding of rejection notes that have no effect because too many of their sender wait."""
    rows = [_row(row.id, found(_LEFT_OUT)) for row in _notes(transaction, note_uids)]
    statements.insert_rows(transaction, finding, rows)


def forget_left_out(transaction: Connection, note_uids: Sequence[str]) -> None:
    """Remove that finding from rejection notes, before it is decided anew."""
    _forget(transaction, [row.id for row in _notes(transaction, note_uids)])


def _row(instance_key: int, each: Finding) -> dict[str, object]:
    return {
        "instance": instance_key,
        "code": each.code,
        "severity": each.severity,
        "place": each.place,
        "text": each.text,
    }


_forget = statements.ChangeAmong(finding.delete().where(finding.c.code == _LEFT_OUT), finding.c.instance)


_notes = statements.LookUp(
    select(instance.c.id, instance.c.sop_instance_uid).where(instance.c.is_current),
    instance.c.sop_instance_uid,
)

_named = (
    select(withdrawal_target.c.sop_instance_uid)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(
        withdrawal.c.received,
        # Repeats the WHERE clause of the index.
        withdrawal.c.rejection_note_uid != literal_column("''"),
    )
    .order_by(withdrawal_target.c.sop_instance_uid)
    .limit(_EXAMPLES)
)


def _spared(connection: Connection, note_uid: str, why: Spared) -> Sequence[str]:
    query = _named.where(withdrawal.c.rejection_note_uid == note_uid, withdrawal_target.c.spared == why)
    return connection.execute(query).scalars().all()


def _issued_named(connection: Connection, note_uid: str) -> Sequence[str]:
    """Return UIDs that a note names, and under which an object came that has another one."""
    query = (
        _named.join(decided_copy, decided_copy.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
        .where(withdrawal.c.rejection_note_uid == note_uid, decided_copy.c.new_sop_instance_uid != "")
        .distinct()
    )
    return connection.execute(query).scalars().all()


def _rejections_named(connection: Connection, note_uid: str) -> Sequence[str]:
    query = _named.join(instance, instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid).where(
        withdrawal.c.rejection_note_uid == note_uid,
        withdrawal_target.c.spared == "",
        withdrawal_target.c.sop_instance_uid != note_uid,
        instance.c.is_current,
        instance.c.sop_class_uid == KEY_OBJECT_SELECTION,
        instance.c.concept_scheme == "DCM",
        instance.c.concept_value.in_([title.value for title in ACTS_BY_TITLE]),
    )
    return connection.execute(query).scalars().all()
