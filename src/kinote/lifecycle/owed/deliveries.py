"""What other systems were given, and what they are owed (law 4).

Whoever was given an instance is owed the rejection note that withdraws it. Of the two that can come first, each sees
the other: a withdrawal locks its instances before it looks who was given them, and what was given is written with these
instances locked before it looks what withdraws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    case,
    exists,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
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
from kinote.catalog.schema.tables.withdrawals import HAS_NOTE
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.catalog.sql.dialects import is_sqlite
from kinote.lifecycle.copies.given_before import write_given_before


class State(StrEnum):
    """How an object stands with a receiver, as it is stored."""

    #: The receiver has it.
    GIVEN = "given"
    #: It was sent, and no answer has come: the receiver may have it.
    UNKNOWN = "unknown"
    #: It was sent, and the receiver did not take it.
    FAILED = "failed"
    #: It is still to be sent.
    OWED = "owed"
    #: It was not sent: a person has told the receiver of it.
    TOLD = "told"


@dataclass(frozen=True, slots=True, order=True)
class Receiver:
    """Another system: a peer by its key, or, where none is known, the address to which was sent."""

    peer: int = 0
    address: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """An instance that a receiver was given, or was to be given. `way` is the service, `at` when."""

    sop_instance_uid: str
    to: Receiver
    state: State
    answer: str
    way: str
    at: datetime

    @property
    def key(self) -> tuple[str, int, str]:
        return (self.sop_instance_uid, self.to.peer, self.to.address)

    def after(self, before: Given | None) -> Given:
        """Return what is known after both, if `before` was the attempt before this one.

        What the receiver has, it has, and what it may have, it may have, whatever becomes of another attempt.
        """
        if before is None or self.state is State.GIVEN:
            return self
        return before if before.state is State.GIVEN or self.state is State.FAILED else self


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
    _owe_notes(
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


def _owe_notes(transaction: Connection, owed: dict[tuple[str, Receiver], tuple[int, datetime]]) -> None:
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
