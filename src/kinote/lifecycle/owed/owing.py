"""What other systems are owed: rejection notes of withdrawals, and instances that came back (law 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    exists,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kinote.catalog.schema.tables import (
    delivery,
    instance,
    rejection_note,
    study,
    withdrawal,
    withdrawal_target,
)
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.dialects import is_sqlite
from kinote.lifecycle.owed.receivers import Receiver, State


def owe_rejection_notes(transaction: Connection, key: int, *, now: datetime) -> None:
    """Owe the rejection notes of a withdrawal to everyone who was given an instance that it names.

    The instances are locked already, and the notes are written.
    """
    owed = (
        select(
            rejection_note.c.sop_instance_uid,
            delivery.c.peer,
            delivery.c.address,
            # The columns that follow, in their order.
            literal(str(State.OWED)),
            literal(""),
            literal(""),
            null(),
            literal(key),
            literal(timestamp(now)),
        )
        .select_from(_targets_given())
        .where(
            withdrawal_target.c.withdrawal == key,
            withdrawal_target.c.spared == "",
            delivery.c.given_at.is_not(None),
        )
        .distinct()
    )
    make = sqlite.insert if is_sqlite(transaction) else postgresql.insert
    transaction.execute(make(delivery).from_select(_COLUMNS, owed).on_conflict_do_nothing())


def forget_rejection_notes(transaction: Connection, key: int) -> None:
    """Discard the rejection notes of a withdrawal, which nobody has seen, and that they are owed."""
    notes = select(rejection_note.c.sop_instance_uid).where(rejection_note.c.withdrawal == key)
    transaction.execute(delivery.delete().where(delivery.c.sop_instance_uid.in_(notes)))
    transaction.execute(rejection_note.delete().where(rejection_note.c.withdrawal == key))


def owe_restored_instances(transaction: Connection, key: int, *, now: datetime) -> None:
    """Owe the instances that an undone withdrawal had named to everyone who was told of it.

    Who has not been told yet must not be told any more. The instances are live again.
    """
    _tell_no_more(transaction, key, (), now)
    owe_again(transaction, key, only=None, now=now)


def owe_spared_instances(transaction: Connection, key: int, *, now: datetime) -> None:
    """Owe the instances that a withdrawal in force spares to everyone who was told of it.

    Who has not been told yet must not be told any more, unless they were given something else that it withdraws.
    """
    receiver = delivery.alias("receiver")
    is_concerned = exists(
        select(receiver.c.peer)
        .select_from(_targets_given(receiver))
        .where(
            withdrawal_target.c.withdrawal == key,
            withdrawal_target.c.spared == "",
            rejection_note.c.sop_instance_uid == delivery.c.sop_instance_uid,
            receiver.c.peer == delivery.c.peer,
            receiver.c.address == delivery.c.address,
            receiver.c.given_at.is_not(None),
        )
        .correlate(delivery)
    )
    _tell_no_more(transaction, key, (~is_concerned,), now)
    owe_again(transaction, key, only=None, now=now)


def _tell_no_more(
    transaction: Connection, key: int, conditions: Sequence[ColumnElement[bool]], now: datetime
) -> None:
    """Let the rejection notes of a withdrawal be owed no more. Whoever was sent one without an answer may have it."""
    notes = select(rejection_note.c.sop_instance_uid).where(rejection_note.c.withdrawal == key)
    those = (delivery.c.sop_instance_uid.in_(notes), *conditions)
    transaction.execute(delivery.delete().where(*those, delivery.c.given_at.is_(None)))
    transaction.execute(
        update(delivery)
        .where(*those, delivery.c.state == str(State.OWED))
        .values(state=str(State.UNKNOWN), changed_at=timestamp(now))
    )


_COLUMNS = [column.name for column in delivery.c]


def _targets_given(given: FromClause = delivery) -> Any:
    """Return the instances that withdrawals name, with the rejection notes for them and who was given them."""
    return (
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
        .join(given, given.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
    )


def owe_notes(transaction: Connection, owed: dict[tuple[str, Receiver], tuple[int, datetime]]) -> None:
    """Owe rejection notes to receivers: by note and receiver, with the key of the withdrawal and the moment."""
    rows = [
        {
            "sop_instance_uid": note,
            "peer": to.peer,
            "address": to.address,
            "state": str(State.OWED),
            "answer": "",
            "way": "",
            "given_at": None,
            "withdrawal": key,
            "changed_at": timestamp(at),
        }
        for (note, to), (key, at) in sorted(owed.items())
    ]
    _OWE["sqlite" if is_sqlite(transaction) else "postgresql"](transaction, rows)


Owing = TypeVar("Owing", sqlite.Insert, postgresql.Insert)


def owing(insert: Owing) -> Owing:
    """Return the insertion of what is owed so that it also owes what a receiver did not take before.

    What is there otherwise stays: the receiver has it, may have it, or is owed it already.
    """
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["sop_instance_uid", "peer", "address"],
        set_={"state": new.state, "withdrawal": new.withdrawal, "changed_at": new.changed_at},
        where=delivery.c.given_at.is_(None) & (delivery.c.state == literal_column("'failed'")),
    )


_OWE = {
    "sqlite": statements.ForEach(owing(sqlite.insert(delivery))),
    "postgresql": statements.ForEach(owing(postgresql.insert(delivery))),
}


def owe_again(transaction: Connection, key: int, *, only: Receiver | None, now: datetime) -> None:
    """Owe the instances of a withdrawal that are live again to those who have been told of it, or `only` to one.

    Of several withdrawals that named an instance, and do not any more, it is enough to have been told of one.
    """
    is_live = (
        select(withdrawal_target.c.sop_instance_uid)
        .join(instance, instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid)
        .where(withdrawal_target.c.withdrawal == key, instance.c.is_current, instance.c.standing == "live")
    )
    was_told = or_(_was_told(is_received=False), _was_told(is_received=True))
    conditions = [delivery.c.sop_instance_uid.in_(is_live), delivery.c.given_at.is_not(None), was_told]
    if only is not None:
        conditions += [delivery.c.peer == only.peer, delivery.c.address == only.address]
    transaction.execute(
        update(delivery)
        .where(and_(*conditions))
        .values(state=str(State.OWED), withdrawal=key, changed_at=timestamp(now))
    )


def _was_told(*, is_received: bool) -> ColumnElement[bool]:
    """Say that the receiver of a delivery was told of a withdrawal that does not name its object any more: by a note of
    ours, or by one that was received."""
    told = delivery.alias("told")
    naming = withdrawal_target.alias("naming")
    named = naming.join(withdrawal, withdrawal.c.id == naming.c.withdrawal)
    if is_received:
        named = named.join(told, told.c.sop_instance_uid == withdrawal.c.rejection_note_uid)
    else:
        named = named.join(rejection_note, rejection_note.c.withdrawal == naming.c.withdrawal).join(
            told, told.c.sop_instance_uid == rejection_note.c.sop_instance_uid
        )
    return exists(
        select(told.c.peer)
        .select_from(named)
        .where(
            withdrawal.c.received if is_received else true(),
            naming.c.sop_instance_uid == delivery.c.sop_instance_uid,
            or_(withdrawal.c.undone_at.is_not(None), naming.c.spared != ""),
            told.c.peer == delivery.c.peer,
            told.c.address == delivery.c.address,
            told.c.given_at.is_not(None),
        )
        .correlate(delivery)
    )
