"""Undoes withdrawals, including those of notes: a note returns unchanged, with its current version."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from kinote.catalog import changes
from kinote.catalog.schema.live import live_instance
from kinote.catalog.schema.tables import (
    awaited_key_object,
    key_object,
    note_version,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.lifecycle.acts import NOTE_WITHDRAWN, WITHDRAWN_BY_AUTHOR
from kinote.lifecycle.copies.ambiguous_references import write_ambiguous
from kinote.lifecycle.copies.taking_back import take_back
from kinote.lifecycle.rejection.reconsidering import patients_became_known
from kinote.lifecycle.withdrawals.withdrawal import (
    NotUndoableError,
    locked_withdrawal,
    number_purged,
    undo,
    why_not_undoable_by_people,
)
from kinote.notes.belonging import patients_changed
from kinote.notes.creator.awaited import unrefuse
from kinote.notes.creator.making_awaited import make_ready
from kinote.security.actors import Actor

_OF_NOTES = (NOTE_WITHDRAWN.name, WITHDRAWN_BY_AUTHOR.name)


def undo_withdrawal(transaction: Connection, key: int, *, by: Actor, now: datetime) -> None:
    """Undo a withdrawal. The change feed reports notes that are in use again.

    A withdrawn note cannot be revised, so its current version is the one that returns. Purged instances return only
    when they are sent again; if all were purged, nothing is undone. If a decision has put a held copy in the place of a
    withdrawn instance, that copy is held again.

    Raises `WithdrawalNotFoundError` and `NotUndoableError`.
    """
    locked = locked_withdrawal(transaction, key)
    # A purge locks the withdrawal too.
    _, is_purged = number_purged(transaction, key)
    refusal = why_not_undoable_by_people(locked, is_purged=is_purged)
    if refusal:
        raise NotUndoableError(refusal)
    back = take_back(transaction, key, now=now)
    undo(transaction, key, by=by, now=now)
    _make_what_waits(transaction, key, now)
    patients_changed(transaction, back.told)
    patients_became_known(transaction, back.told, now=now)
    write_ambiguous(transaction, back.uids)
    restored = transaction.execute(
        select(note_version.c.note, study.c.study_instance_uid)
        .select_from(
            withdrawal.join(withdrawal_target, withdrawal_target.c.withdrawal == withdrawal.c.id)
            .join(live_instance, live_instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
            .join(key_object, key_object.c.instance == live_instance.c.id)
            .join(note_version, note_version.c.id == key_object.c.version)
            .join(study, study.c.id == live_instance.c.study)
        )
        .where(withdrawal.c.id == key, withdrawal.c.act.in_(_OF_NOTES), note_version.c.is_current)
        .order_by(live_instance.c.id)
    )
    first: dict[int, str] = {}
    for row in restored:
        first.setdefault(row.note, row.study_instance_uid)
    changes.record(
        transaction,
        [
            changes.Change(changes.Kind.NOTE_RESTORED, study_instance_uid=study_uid, note=note_id)
            for note_id, study_uid in first.items()
        ],
        now=now,
    )


def _make_what_waits(transaction: Connection, key: int, now: datetime) -> None:
    """Make the key objects that only this withdrawal has kept from being made."""
    waiting = (
        select(awaited_key_object.c.version)
        .join(
            withdrawal_target,
            withdrawal_target.c.sop_instance_uid == awaited_key_object.c.sop_instance_uid,
        )
        .where(withdrawal_target.c.withdrawal == key)
    )
    versions = set(transaction.execute(waiting).scalars())
    if versions:
        unrefuse(transaction, sorted(versions))
        make_ready(transaction, versions, now=now)
