"""Rejections that were received: those that wait for a person, and what became of all others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, func, literal_column, select, text

from kinote.catalog import journal
from kinote.catalog.instances.uid_locks import lock_any_uid
from kinote.catalog.schema.tables import instance, study, withdrawal, withdrawal_target
from kinote.catalog.schema.tables.withdrawals import HAS_NOTE, PROPOSED
from kinote.catalog.schema.timestamps import timestamp
from kinote.catalog.sql import statements
from kinote.keyobject.codes import Code
from kinote.keyobject.titles import REJECTED_FOR_PATIENT_SAFETY_REASONS
from kinote.lifecycle.owed.received_notes import owe_received_notes
from kinote.lifecycle.rejection.arriving import note_itself
from kinote.lifecycle.rejection.decisions import EFFECTS, Asked
from kinote.lifecycle.rejection.rules import Effect, RejectionRules
from kinote.lifecycle.standing import settle
from kinote.lifecycle.withdrawals.withdrawal import targets, undo
from kinote.security.actors import Actor


class RejectionNotFoundError(LookupError):
    """There is no received rejection with this number."""


class RejectionDecidedError(ValueError):
    """The rejection does not wait for a decision. The message says what it is."""


class RejectionState(StrEnum):
    """How a received rejection stands."""

    #: A person is to accept or refuse it.
    WAITING = "waiting"
    #: It hides, or marks, what it names.
    IN_FORCE = "in force"
    REFUSED = "refused"
    #: It was taken back.
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a received rejection note asks for.

    `instances` counts all that it names, `spared` those of them on which it has no effect.
    """

    id: int
    state: RejectionState
    rejection_note_uid: str
    study_instance_uid: str | None
    title: Code
    act: str
    effect: str
    text: str
    by: Actor | None
    made_at: str
    decided_by: Actor | None
    decided_at: str | None
    decided_because: str
    instances: int
    spared: int


@dataclass(frozen=True, slots=True)
class RejectedInstance:
    """An instance that a rejection names: its standing, None if it is not here, and why it is spared, if it is."""

    sop_instance_uid: str
    standing: str | None
    spared: str


def rejections(
    connection: Connection, *, everything: bool, after: int = 0, limit: int = 100
) -> list[Rejection]:
    """Return the rejections that wait, or all that were received, the oldest first, after the key `after`."""
    query = _rejections().where(withdrawal.c.id > after).order_by(withdrawal.c.id).limit(limit)
    if not everything:
        query = query.where(text(PROPOSED))
    return [_rejection(row) for row in connection.execute(query).mappings()]


def rejection(connection: Connection, key: int) -> Rejection:
    """Return a received rejection. Raises `RejectionNotFoundError`."""
    row = connection.execute(_rejections().where(withdrawal.c.id == key)).mappings().one_or_none()
    if row is None:
        raise RejectionNotFoundError(f"There is no received rejection {key}.")
    return _rejection(row)


def of_note(connection: Connection, rejection_note_uid: str) -> list[int]:
    """Return the numbers of all rejections that a rejection note asks for."""
    query = (
        select(withdrawal.c.id)
        # Repeats the WHERE clause of the index.
        .where(withdrawal.c.rejection_note_uid == rejection_note_uid, text(HAS_NOTE))
        .order_by(withdrawal.c.id)
    )
    return list(connection.execute(query).scalars())


def rejected_instances(
    connection: Connection, key: int, *, after: str = "", limit: int
) -> list[RejectedInstance]:
    """Return instances that a rejection names, in order of their UIDs, after the UID `after`."""
    query = (
        select(withdrawal_target.c.sop_instance_uid, instance.c.standing, withdrawal_target.c.spared)
        .select_from(
            withdrawal_target.outerjoin(
                instance,
                (instance.c.sop_instance_uid == withdrawal_target.c.sop_instance_uid) & instance.c.is_current,
            )
        )
        .where(withdrawal_target.c.withdrawal == key, withdrawal_target.c.sop_instance_uid > after)
        .order_by(withdrawal_target.c.sop_instance_uid)
        .limit(limit)
    )
    return [RejectedInstance(*row) for row in connection.execute(query)]


def with_effect(connection: Connection, note_uids: Collection[str]) -> set[str]:
    """Return those of these rejection notes whose rejection has, or had, an effect."""
    return {row.rejection_note_uid for row in _with_effect(connection, note_uids)}


_with_effect = statements.LookUp(
    select(withdrawal.c.rejection_note_uid).where(
        withdrawal.c.received,
        withdrawal.c.effect != "proposed",
        # Repeats the WHERE clause of the index.
        text(HAS_NOTE),
    ),
    withdrawal.c.rejection_note_uid,
)


def waiting(connection: Connection) -> dict[str, int]:
    """Return how many rejections wait for a person, by the value of their title."""
    query = (
        select(withdrawal.c.reason_value, func.count())
        .where(text(PROPOSED))
        .group_by(withdrawal.c.reason_value)
    )
    return {value: count for value, count in connection.execute(query)}


def urgent(connection: Connection, limit: int) -> list[int]:
    """Return the keys of the rejections for patient safety that wait, the latest first."""
    query = (
        select(withdrawal.c.id)
        .where(text(PROPOSED), withdrawal.c.reason_value == REJECTED_FOR_PATIENT_SAFETY_REASONS.value)
        .order_by(withdrawal.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def accept(
    transaction: Connection, key: int, rules: RejectionRules, *, reason: str, by: Actor, now: datetime
) -> Rejection:
    """Let a rejection that waits take effect, with everything that its note asks for.

    Raises `RejectionNotFoundError` and `RejectionDecidedError`.
    """
    for row in _waiting_of_note(transaction, key):
        rule = rules.titles[Code(row.reason_value, row.reason_scheme)]
        effect = EFFECTS[Asked(True, rule.effect is Effect.MARKED, bool(row.of_key_objects))]
        itself = [
            {"withdrawal": row.id, "sop_instance_uid": uid, "instance": None}
            for uid in note_itself(rule, effect, row.rejection_note_uid)
        ]
        transaction.execute(
            withdrawal.update()
            .where(withdrawal.c.id == row.id)
            .values(
                effect=effect,
                instance_count=withdrawal.c.instance_count + len(itself),
                **_decision(reason, by, now),
            )
        )
        statements.insert_rows(transaction, withdrawal_target, itself)
        journal.record(
            transaction,
            journal.RareAct(
                journal.Kind.ACCEPTED,
                now,
                by,
                [each["sop_instance_uid"] for each in itself],
                row.id,
                {"effect": str(effect), "reason": reason},
            ),
        )
        settle(transaction, targets(transaction, row.id), now=now)
        owe_received_notes(transaction, [row.id], now=now)
    return rejection(transaction, key)


def refuse(transaction: Connection, key: int, *, reason: str, by: Actor, now: datetime) -> Rejection:
    """End a rejection that waits, with everything that its note asks for; nothing else changes.

    Raises `RejectionNotFoundError` and `RejectionDecidedError`.
    """
    for row in _waiting_of_note(transaction, key):
        transaction.execute(
            withdrawal.update().where(withdrawal.c.id == row.id).values(**_decision(reason, by, now))
        )
        undo(transaction, row.id, by=by, now=now)
    return rejection(transaction, key)


def _waiting_of_note(transaction: Connection, key: int) -> list[Any]:
    """Return the rows of a rejection that waits and of others by its note, locked with all UIDs."""
    found = rejection(transaction, key)
    query = (
        select(withdrawal)
        .where(
            withdrawal.c.rejection_note_uid == found.rejection_note_uid,
            # Repeats the WHERE clause of the index.
            withdrawal.c.rejection_note_uid != literal_column("''"),
            withdrawal.c.effect == Effect.PROPOSED,
            withdrawal.c.undone_at.is_(None),
        )
        .order_by(withdrawal.c.id)
        .with_for_update()
    )
    rows = list(transaction.execute(query))
    if key not in {row.id for row in rows}:
        # Somebody else may have decided just now.
        now_so = rejection(transaction, key)
        raise RejectionDecidedError(
            f"The rejection {key} is {now_so.state}, and does not wait for a decision."
        )
    # What it names may arrive at this moment. The withdrawals come first, as in an undo.
    lock_any_uid(transaction)
    return rows


def _decision(reason: str, by: Actor, now: datetime) -> dict[str, str]:
    return {"decided_at": timestamp(now), "decided_because": reason, **by.columns("decided_by")}


def _rejections() -> Select[Any]:
    spared = select(func.count()).where(
        withdrawal_target.c.withdrawal == withdrawal.c.id, withdrawal_target.c.spared != ""
    )
    note = instance.alias("rejection_note")
    return (
        select(
            withdrawal,
            study.c.study_instance_uid,
            spared.correlate(withdrawal).scalar_subquery().label("spared"),
        )
        .select_from(
            withdrawal.outerjoin(
                note, (note.c.sop_instance_uid == withdrawal.c.rejection_note_uid) & note.c.is_current
            ).outerjoin(study, study.c.id == note.c.study)
        )
        .where(withdrawal.c.received)
    )


def _rejection(row: Any) -> Rejection:
    return Rejection(
        id=row["id"],
        state=_state(row),
        rejection_note_uid=row["rejection_note_uid"],
        study_instance_uid=row["study_instance_uid"],
        title=Code(row["reason_value"], row["reason_scheme"], row["reason_meaning"]),
        act=row["act"],
        effect=row["effect"],
        text=row["reason_text"],
        by=Actor.stored(row["who_kind"], row["who"], row["who_address"]),
        made_at=row["made_at"],
        decided_by=Actor.stored(row["decided_by_kind"], row["decided_by_name"], row["decided_by_address"]),
        decided_at=row["decided_at"],
        decided_because=row["decided_because"],
        instances=row["instance_count"],
        spared=row["spared"],
    )


def _state(row: Any) -> RejectionState:
    if row["undone_at"] is None:
        return RejectionState.WAITING if row["effect"] == Effect.PROPOSED else RejectionState.IN_FORCE
    return RejectionState.REFUSED if row["effect"] == Effect.PROPOSED else RejectionState.UNDONE
