"""Records what other systems were given (law 4).

Whoever was given an instance is owed the rejection note that withdraws it. Of the two that can come first, each sees
the other: a withdrawal locks its instances before it looks who was given them, and what was given is written with these
instances locked before it looks what withdraws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, case, exists, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.schema.tables import (
    delivery,
    instance,
    rejection_note,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.schema.tables.withdrawals import HAS_NOTE
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.dialects import is_sqlite
from kinote.lifecycle.copies.given_before import write_given_before
from kinote.lifecycle.owed.owing import owe_again, owe_notes
from kinote.lifecycle.owed.receivers import Given, State


def record_given(transaction: Connection, given: Iterable[Given]) -> None:
    """Write what receivers were given. What has been withdrawn meanwhile is owed to them with its rejection note."""
    rows = sorted(given, key=lambda each: each.key)
    uids = sorted({each.sop_instance_uid for each in rows})
    _lock(transaction, uids)
    upserts = _UPSERTS["sqlite" if is_sqlite(transaction) else "postgresql"]
    for failed, upsert in upserts.items():
        upsert(transaction, [_row(each) for each in rows if (each.state is State.FAILED) is failed])
    had = [each for each in rows if each.state is not State.FAILED]
    write_given_before(
        transaction,
        [(each.sop_instance_uid, each.at, each.to.address or f"peer {each.to.peer}") for each in had],
    )
    notes: dict[str, list[tuple[str, int]]] = {}
    for naming in (_notes_naming, _received_notes_naming):
        for row in naming(transaction, {each.sop_instance_uid for each in had}):
            notes.setdefault(row.sop_instance_uid, []).append((row.note, row.withdrawal))
    owe_notes(
        transaction,
        {
            (note, each.to): (key, each.at)
            for each in had
            for note, key in notes.get(each.sop_instance_uid, ())
        },
    )
    for undone in (_undone_notes, _undone_received_notes):
        for row in undone(transaction, {each.sop_instance_uid for each in had}):
            for each in had:
                if each.sop_instance_uid == row.sop_instance_uid:
                    owe_again(transaction, row.withdrawal, only=each.to, now=each.at)


def _lock(transaction: Connection, uids: Sequence[str]) -> None:
    """Let nobody withdraw these until the transaction has ended. On SQLite writers come one at a time."""
    _locked(transaction, uids)


_locked = statements.LookUp(
    select(instance.c.sop_instance_uid)
    .where(instance.c.is_current)
    .order_by(instance.c.sop_instance_uid)
    .with_for_update(of=instance, read=True),
    instance.c.sop_instance_uid,
)

#: The rejection notes of withdrawals in force that name an instance.
_notes_naming = statements.LookUp(
    select(
        withdrawal_target.c.sop_instance_uid,
        rejection_note.c.sop_instance_uid.label("note"),
        withdrawal_target.c.withdrawal,
    )
    .select_from(
        withdrawal_target.join(
            instance,
            (instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
            & instance.c.is_current
            & withdrawal_target.c.instance.is_(None),
        )
        .join(study, study.c.id == instance.c.study)
        .join(
            rejection_note,
            (rejection_note.c.withdrawal == withdrawal_target.c.withdrawal)
            & (rejection_note.c.study_instance_uid == study.c.study_instance_uid),
        )
        .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    )
    # A later copy may have ended it for this instance.
    .where(withdrawal.c.undone_at.is_(None), withdrawal_target.c.spared == ""),
    withdrawal_target.c.sop_instance_uid,
)

#: The received rejection notes in force that name an instance, and have an effect on it.
_received_notes_naming = statements.LookUp(
    select(
        withdrawal_target.c.sop_instance_uid,
        withdrawal.c.rejection_note_uid.label("note"),
        withdrawal_target.c.withdrawal,
    )
    .join(withdrawal, withdrawal.c.id == withdrawal_target.c.withdrawal)
    .where(
        withdrawal.c.received,
        withdrawal.c.undone_at.is_(None),
        withdrawal.c.effect != "proposed",
        withdrawal_target.c.spared == "",
        withdrawal_target.c.sop_instance_uid != withdrawal.c.rejection_note_uid,
    ),
    withdrawal_target.c.sop_instance_uid,
)

#: Of received rejection notes, those whose rejection has been undone, or spares something since a later copy came.
_undone_received_notes = statements.LookUp(
    select(
        withdrawal.c.rejection_note_uid.label("sop_instance_uid"), withdrawal.c.id.label("withdrawal")
    ).where(
        withdrawal.c.received,
        # Repeats the WHERE clause of the index.
        text(HAS_NOTE),
        or_(
            withdrawal.c.undone_at.is_not(None),
            exists(
                select(withdrawal_target.c.withdrawal)
                .where(
                    withdrawal_target.c.withdrawal == withdrawal.c.id,
                    withdrawal_target.c.spared == "restored",
                )
                .correlate(withdrawal)
            ),
        ),
    ),
    withdrawal.c.rejection_note_uid,
)

#: Of rejection notes, those whose withdrawal has been undone after its window, or spares something that it names.
_undone_notes = statements.LookUp(
    select(rejection_note.c.sop_instance_uid, rejection_note.c.withdrawal)
    .join(withdrawal, withdrawal.c.id == rejection_note.c.withdrawal)
    .where(
        or_(
            withdrawal.c.undone_at.is_not(None),
            exists(
                select(withdrawal_target.c.withdrawal)
                .where(withdrawal_target.c.withdrawal == withdrawal.c.id, withdrawal_target.c.spared != "")
                .correlate(withdrawal)
            ),
        )
    ),
    rejection_note.c.sop_instance_uid,
)


def _row(each: Given) -> dict[str, Any]:
    at = timestamp(each.at)
    return {
        "sop_instance_uid": each.sop_instance_uid,
        "peer": each.to.peer,
        "address": each.to.address,
        "state": str(each.state),
        "answer": _printable(each.answer),
        "way": each.way,
        "given_at": None if each.state is State.FAILED else at,
        "withdrawal": None,
        "changed_at": at,
    }


def _printable(answer: str) -> str:
    """Return an answer as every database takes it: PostgreSQL takes no NUL."""
    return answer if answer.isprintable() else "".join(each if each.isprintable() else "?" for each in answer)


def _upsert(make: type[sqlite.Insert] | type[postgresql.Insert], *, failed: bool) -> statements.ForEach:
    insert = make(delivery)
    new = insert.excluded
    answered: dict[str, Any] = {"answer": new.answer, "way": new.way, "changed_at": new.changed_at}
    if not failed:
        # What is owed stays so until the receiver has answered that it has it.
        stays = (new.state != str(State.GIVEN)) & (
            (delivery.c.state == str(State.GIVEN)) | (delivery.c.state == str(State.OWED))
        )
        answered |= {"state": case((stays, delivery.c.state), else_=new.state), "given_at": new.given_at}
    # Where it failed, whoever had it before has it still, and what is owed stays owed.
    return statements.ForEach(
        insert.on_conflict_do_update(index_elements=["sop_instance_uid", "peer", "address"], set_=answered)
    )


#: By database, and by whether the receiver did not take the object.
_UPSERTS: dict[str, dict[bool, statements.ForEach]] = {
    "sqlite": {failed: _upsert(sqlite.Insert, failed=failed) for failed in (False, True)},
    "postgresql": {failed: _upsert(postgresql.Insert, failed=failed) for failed in (False, True)},
}
