"""Issues objects again under new UIDs, after a withdrawal that cannot be undone: others never accept the old UIDs
again.

Images and received key objects move to new UIDs with their bytes. A tombstone reserves the old UID. A note that was
made here gets a new version, with its own key objects (`notes_again`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from kinote.catalog import changes, journal
from kinote.catalog.instances.uid_locks import lock_any_uid
from kinote.catalog.schema.tables import (
    instance,
    key_object,
    location,
    note,
    note_version,
    purge,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.guards import as_sql
from kinote.dicom.dictionary.sop_classes import KEY_OBJECT_SELECTION
from kinote.dicom.values.uids import new_uid
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import TitleGroup, title_group
from kinote.lifecycle.acts import LaterCopies, stored_act
from kinote.lifecycle.copies.choices import Choice, Way
from kinote.lifecycle.copies.coming_into_use import come_into_use
from kinote.lifecycle.copies.decided import Became, record_decision
from kinote.lifecycle.copies.new_uids import issue_under_new_uids
from kinote.lifecycle.guards import IN_FORCE
from kinote.lifecycle.rejection.reconsidering import patients_became_known
from kinote.lifecycle.standing import lock
from kinote.lifecycle.withdrawals.withdrawal import locked_withdrawal, targets
from kinote.notes.belonging import patients_changed
from kinote.notes.copies.notes_again import notes_again, tell_of_notes
from kinote.security.actors import Actor

#: The most withdrawals that a message names.
_NAMED = 5


class NotIssuableError(ValueError):
    """Nothing of a withdrawal can be issued again. The message gives the reason and an alternative."""


@dataclass(frozen=True, slots=True)
class IssuedAgain:
    """The objects that were issued again: their new UIDs by the old ones, in the order of these.

    `id` is the key of the decision, `notes` are those that have a new version. `left` counts the named instances that
    were not issued: not here, purged, in use, a rejection note, or withdrawn by another withdrawal too.
    """

    id: int
    new_uids: dict[str, str]
    notes: tuple[int, ...]
    left: int


def issue_again(
    transaction: Connection,
    key: int,
    *,
    text: str,
    by: Actor,
    now: datetime,
    also: Collection[int] = (),
) -> IssuedAgain:
    """Issue again what a withdrawal has permanently taken out of use. The withdrawal stays in force.

    What another withdrawal hides too stays out of use, unless that withdrawal is in `also`: those that were wrong as
    well, and cannot be undone either. `text` is the reason. `now` is in the time zone in which documents are written.

    Raises `WithdrawalNotFoundError` and `NotIssuableError`.
    """
    wrong = {key, *also}
    # In the order of their keys, so that two calls cannot deadlock.
    for each in sorted(wrong):
        _check(locked_withdrawal(transaction, each))
    # The same order as an undo: the withdrawal, the UIDs, the instances.
    lock_any_uid(transaction)
    named = list(targets(transaction, key))
    # Other live key objects of the same notes are replaced by new ones.
    others = [each.sop_instance_uid for each in _beside(transaction, named)]
    lock(transaction, [*named, *others])
    rows = _to_issue(transaction, named, wrong)
    made_here = {row.id: row for row in rows if row.made_from is not None}
    became = _objects_again(transaction, [row for row in rows if row.id not in made_here], key, by, now)
    # After the objects, so that the notes flag the new UIDs.
    issued = {each.sop_instance_uid: each.new_sop_instance_uid for each in became}
    of_notes, notes = notes_again(transaction, made_here, issued, by, now)
    became += of_notes
    if not became:
        raise NotIssuableError(
            "Nothing that it names can be issued again: it is in use, was purged, has not arrived, or something else "
            f"withdraws it, too{_others(transaction, named, wrong)}. Have what was purged sent again by the modality "
            "under new UIDs."
        )
    decision = record_decision(
        transaction, Choice.ISSUE_AGAIN, became, text=text, by=by, now=now, issued_after=key
    )
    return IssuedAgain(
        decision,
        {each.sop_instance_uid: each.new_sop_instance_uid for each in became},
        notes,
        len(named) - len(became),
    )


def _check(row: Any) -> None:
    act = stored_act(row.act)
    if act is None or act.later_copies is not LaterCopies.REFUSED or row.effect != "hidden":
        raise NotIssuableError("Its UIDs can be used again: undo the withdrawal instead.")
    if row.closed_at is None:
        raise NotIssuableError("Nobody has been told yet: undo the withdrawal instead.")


def _others(transaction: Connection, uids: Sequence[str], wrong: Collection[int]) -> str:
    """Return in words which other withdrawals hide these UIDs, and what to do about them; empty if none does."""
    found = sorted({row.withdrawal for row in _withdrawals(transaction, uids)} - set(wrong))
    if not found:
        return ""
    named = ", ".join(map(str, found[:_NAMED])) + (", ..." if len(found) > _NAMED else "")
    return f" (withdrawals {named}: undo them, or name in `also` those that cannot be undone)"


def _to_issue(transaction: Connection, uids: Sequence[str], wrong: Collection[int]) -> list[Any]:
    """Return the rows of what can be issued: withdrawn by these alone, with bytes, and no rejection note."""
    otherwise = {
        (row.sop_instance_uid, row.instance)
        for row in _withdrawals(transaction, uids)
        if row.withdrawal not in wrong
    }
    return [
        row
        for row in _instances(transaction, uids)
        if row.standing == "withdrawn"
        and row.residence in ("local", "derivable", "remote")
        and not {(row.sop_instance_uid, None), (row.sop_instance_uid, row.id)} & otherwise
        and not _is_rejection_note(row)
    ]


def _is_rejection_note(row: Any) -> bool:
    return (
        row.sop_class_uid == KEY_OBJECT_SELECTION
        and bool(row.concept_value and row.concept_scheme)
        and title_group(Code(row.concept_value, row.concept_scheme)) is TitleGroup.REJECTION
    )


def _objects_again(
    transaction: Connection, rows: Sequence[Any], key: int, by: Actor, now: datetime
) -> list[Became]:
    """Move instances with their bytes to new UIDs, and leave tombstones under the old ones."""
    if not rows:
        return []
    new_uids = {row.id: new_uid() for row in rows}
    tombstones = _tombstones(transaction, rows)
    issue_under_new_uids(transaction, new_uids, now=now)
    statements.insert_rows(transaction, instance, tombstones)
    moment = timestamp(now)
    statements.insert_rows(
        transaction,
        purge,
        [
            {"instance": each["id"], "withdrawal": key, "purged_at": moment, "removed_at": moment}
            for each in tombstones
        ],
    )
    uids = [row.sop_instance_uid for row in rows]
    journal.record(
        transaction,
        journal.RareAct(
            journal.Kind.PURGED,
            now,
            by,
            uids,
            of_uids={
                "digests": {row.sop_instance_uid: row.digest for row in rows},
                "because": dict.fromkeys(uids, key),
            },
        ),
    )
    # Archives hold the objects under the old UIDs (law 9).
    _forget_locations(transaction, list(new_uids))
    came = come_into_use(transaction, list(new_uids), now=now)
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.INSTANCE_PURGED, row.study_instance_uid, row.sop_instance_uid)
            for row in rows
        ],
        now=now,
    )
    patients_changed(transaction, came.told)
    patients_became_known(transaction, came.told, now=now)
    tell_of_notes(transaction, list(new_uids), now)
    return [
        Became(
            row.id,
            row.study_instance_uid,
            row.sop_instance_uid,
            Way.NEW_UID,
            new_uids[row.id],
            digest=row.digest or "",
        )
        for row in rows
    ]


def _tombstones(transaction: Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return rows that reserve the UIDs of instances, with their description, and without bytes."""
    whole = {row.id: row._asdict() for row in _whole(transaction, [row.id for row in rows])}
    keys = statements.reserve_ids(transaction, instance, len(rows))
    return [
        {
            **whole[row.id],
            "id": key,
            "standing": "purged",
            "residence": "none",
            "file_key": None,
            "dataset_offset": 0,
            "attributes": "{}",
            "overlay": 0,
            "is_current": True,
            "held_reason": None,
        }
        for key, row in zip(keys, rows, strict=True)
    ]


_instances = statements.LookUp(
    select(
        instance.c.id,
        instance.c.sop_instance_uid,
        instance.c.sop_class_uid,
        instance.c.standing,
        instance.c.residence,
        instance.c.digest,
        instance.c.concept_scheme,
        instance.c.concept_value,
        study.c.study_instance_uid,
        key_object.c.version,
        key_object.c.made_from,
        note_version.c.note,
        note_version.c.number,
        note_version.c.is_current.label("is_current_version"),
        note.c.origin,
    )
    .select_from(
        instance.join(study, study.c.id == instance.c.study)
        .outerjoin(key_object, key_object.c.instance == instance.c.id)
        .outerjoin(note_version, note_version.c.id == key_object.c.version)
        .outerjoin(note, note.c.id == note_version.c.note)
    )
    .where(instance.c.is_current)
    .order_by(instance.c.sop_instance_uid),
    instance.c.sop_instance_uid,
)

#: Withdrawals in force by their instances.
_withdrawals = statements.LookUp(
    select(withdrawal_target.c.sop_instance_uid, withdrawal_target.c.instance, withdrawal_target.c.withdrawal)
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(*as_sql(IN_FORCE, withdrawal.c, withdrawal_target.c)),
    withdrawal_target.c.sop_instance_uid,
)

_other, _its_carrier = instance.alias("other"), key_object.alias("its_carrier")

#: Live key objects that carry the same versions as others, by the UIDs of the others.
_beside = statements.LookUp(
    select(_other.c.sop_instance_uid)
    .select_from(
        instance.join(key_object, key_object.c.instance == instance.c.id)
        .join(_its_carrier, _its_carrier.c.version == key_object.c.version)
        .join(_other, _other.c.id == _its_carrier.c.instance)
    )
    .where(instance.c.is_current, _other.c.standing == "live")
    .distinct(),
    instance.c.sop_instance_uid,
)

_whole = statements.LookUp(select(instance), instance.c.id)

_forget_locations = statements.ChangeAmong(location.delete(), location.c.instance)
